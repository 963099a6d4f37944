/** One way to do a piece of work. Synchronous or not, it is awaited once, as a request handler would. */
export interface Contender {
  readonly name: string
  readonly run: () => unknown
}

export interface Measured {
  readonly name: string
  readonly perSecond: number
  /** Median over all rounds of baseline time / own time: 1 is as fast as the baseline. */
  readonly ratio: number
}

const TURN_MS = 20
const WARM_UP_MS = 60

/**
 * Measures contenders against the first of them. They take turns, in an order that moves on every round, so that whatever
 * else the machine does meets all of them alike; the ratio is taken within each round.
 */
export async function compare(
  contenders: readonly [Contender, ...Contender[]],
  rounds: number,
): Promise<Measured[]> {
  const counts = new Map<string, number>()
  for (const contender of contenders) counts.set(contender.name, await calibrate(contender))
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const first = round % contenders.length
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const count = counts.get(contender.name) ?? 1
      times.get(contender.name)?.push((await time(contender, count)) / count)
    }
  }
  const baseline = times.get(contenders[0].name) ?? []
  return contenders.map(({ name }) => {
    const own = times.get(name) ?? []
    const ratios = own.map((each, round) => (baseline[round] ?? Number.NaN) / each)
    return { name, perSecond: 1000 / median(own), ratio: median(ratios) }
  })
}

/** How many runs fill one turn. Warms the code up at the same time. */
async function calibrate(contender: Contender): Promise<number> {
  let count = 0
  const start = performance.now()
  while (performance.now() - start < WARM_UP_MS) {
    await contender.run()
    count++
  }
  return Math.max(1, Math.round((count * TURN_MS) / WARM_UP_MS))
}

async function time({ run }: Contender, count: number): Promise<number> {
  const start = performance.now()
  for (let index = 0; index < count; index++) await run()
  return performance.now() - start
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
