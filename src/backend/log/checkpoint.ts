import { IntegrityError, InvalidInputError } from '../../errors.ts'
import { formatInstant, type Instant, parseInstant } from '../../key/duration.ts'
import { reasonOf } from '../../key/record.ts'
import { parseEnvironment, parseKeyRef } from '../../key/ref.ts'
import {
  checkMembers,
  isJsonObject,
  type JsonObject,
  parseStrictJsonObject,
  stringMember,
} from '../../key/strict-json.ts'
import { environmentLog } from './layout.ts'
import type { Head } from './seen.ts'

/** How far every log of an environment reached at one moment. It holds nothing secret. */
export interface Checkpoint {
  readonly environment: string
  /** Names the environment for good: the thumbprint of its first root. */
  readonly lineage: string
  readonly at: Instant
  /** By the reference of a key, or `<environment>/environment`. */
  readonly logs: ReadonlyMap<string, Head>
}

const FORMAT = 1
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/

/** As JSON, one log a line, so that two of them can be compared by eye. */
export function formatCheckpoint({ environment, lineage, at, logs }: Checkpoint): string {
  const sorted = [...logs].sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = sorted.map(([log, head]) => `    ${JSON.stringify(log)}: ${JSON.stringify(head)}`)
  const facts = { format: FORMAT, environment, lineage, at: formatInstant(at) }
  const members = Object.entries(facts).map(([name, value]) => `  "${name}": ${JSON.stringify(value)}`)
  return `{\n${members.join(',\n')},\n  "logs": {\n${lines.join(',\n')}\n  }\n}\n`
}

/**
 * Reads what formatCheckpoint wrote. A part of it that is not understood is refused: it would not be checked.
 *
 * @throws IntegrityError naming `where`
 */
export function parseCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  try {
    const members = ['format', 'environment', 'lineage', 'at', 'logs']
    const body = checkMembers(parseStrictJsonObject(bytes), 'the checkpoint', members)
    if (body.format !== FORMAT) throw new InvalidInputError(`the format ${String(body.format)} is unknown`)
    const environment = stringMember(body, 'environment')
    parseEnvironment(environment)
    const { logs } = body
    if (!isJsonObject(logs)) throw new InvalidInputError('logs is not a JSON object')
    return {
      environment,
      lineage: thumbprintMember(body, 'lineage'),
      at: parseInstant(stringMember(body, 'at')),
      logs: new Map(Object.entries(logs).map(([log, head]) => [log, parseHead(environment, log, head)])),
    }
  } catch (error) {
    throw new IntegrityError(where, `it is not a checkpoint: ${reasonOf(error)}`, {
      cause: error,
      advice: 'Name a file that keyturn audit checkpoint wrote',
    })
  }
}

function parseHead(environment: string, log: string, value: JsonObject[string]): Head {
  if (log !== environmentLog(environment) && parseKeyRef(log).environment !== environment)
    throw new InvalidInputError(`${log} is not a log of ${environment}`)
  const head = checkMembers(value, log, ['entries', 'hash'])
  const { entries } = head
  if (typeof entries !== 'number' || !Number.isInteger(entries) || entries < 1)
    throw new InvalidInputError(`${log} has no number of entries`)
  return { entries, hash: thumbprintMember(head, 'hash') }
}

/** SHA-256 in base64url. */
function thumbprintMember(object: JsonObject, member: string): string {
  const text = stringMember(object, member)
  if (!THUMBPRINT.test(text)) throw new InvalidInputError(`${member} is not a hash`)
  return text
}

/**
 * What is to be kept of two checkpoints of one environment: for each log the one that reaches further. A log that the later
 * one lacks, since it could not be followed, is not forgotten.
 */
export function mergeCheckpoints(before: Checkpoint, after: Checkpoint): Checkpoint {
  const logs = new Map(before.logs)
  for (const [log, head] of after.logs) {
    if (head.entries >= (logs.get(log)?.entries ?? 0)) logs.set(log, head)
  }
  return { ...after, logs }
}
