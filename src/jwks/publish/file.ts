import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { syncFolder, writeDurably } from '../../backend/log/durable.ts'
import { errorCode, systemError } from '../../backend/log/system-errors.ts'
import { parseStrictJsonObject } from '../../key/strict-json.ts'
import { type JwksTarget, markOf, metadataOf, type Publication, type Published } from './target.ts'

/**
 * A file, for whatever serves it. A plain rename would let an older document win a race, so the newest one is decided among
 * numbered copies in a folder beside the file: `link` gives each number to one writer only. The file follows the highest.
 */
export function openFileTarget(file: string): JwksTarget {
  const folder = join(dirname(file), `.${basename(file)}.keyturn`)
  return {
    name: file,
    read: () => guarded(file, () => read(file, folder)),
    write: (publication, replaces) => guarded(file, () => write(file, folder, publication, replaces)),
    close: async () => undefined,
  }
}

interface Generation extends Published {
  readonly number: number
}

async function read(file: string, folder: string): Promise<Published | undefined> {
  const newest = await newestOf(folder)
  const body = await readText(file)
  if (newest && body === newest.body) return newest
  // Somebody wrote the file by hand, removed it, or was stopped before it followed.
  if (newest) return { ...newest, body: body ?? '' }
  return body === undefined ? undefined : { body, tag: '0' }
}

async function write(
  file: string,
  folder: string,
  { body, mark }: Publication,
  replaces: string | undefined,
): Promise<boolean> {
  const number = Number(replaces ?? 0) + 1
  await fs.promises.mkdir(folder, { recursive: true, mode: 0o755 })
  const text = JSON.stringify({ ...metadataOf(mark), body })
  const temporary = temporaryIn(folder)
  await writeDurably(temporary, Buffer.from(text), 0o644)
  try {
    await fs.promises.link(temporary, join(folder, nameOf(number)))
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    await fs.promises.rm(temporary, { force: true })
  }
  await syncFolder(folder)
  const isNewest = (await newestOf(folder))?.number === number
  // A number that others have passed and cleared away was free again, and means nothing.
  await follow(file, folder)
  return isNewest
}

/** Puts the newest copy in place, and looks again: whoever comes last leaves the newest of all. */
async function follow(file: string, folder: string): Promise<void> {
  for (let placed = 0; ; ) {
    const newest = await newestOf(folder)
    if (!newest || newest.number === placed) return
    const temporary = temporaryIn(dirname(file))
    await writeDurably(temporary, Buffer.from(newest.body), 0o644)
    await fs.promises.rename(temporary, file)
    await syncFolder(dirname(file))
    placed = newest.number
    await removeBefore(folder, placed - 1)
  }
}

async function newestOf(folder: string): Promise<Generation | undefined> {
  const numbers = await numbersIn(folder)
  const number = Math.max(0, ...numbers)
  if (number === 0) return undefined
  const { body, ...mark } = parseStrictJsonObject(await fs.promises.readFile(join(folder, nameOf(number))))
  const known = markOf(mark)
  return { number, tag: String(number), body: String(body), ...(known ? { mark: known } : {}) }
}

async function numbersIn(folder: string): Promise<readonly number[]> {
  const names = await fs.promises.readdir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => /^\d+\.json$/.test(name)).map((name) => Number.parseInt(name, 10))
}

async function removeBefore(folder: string, least: number): Promise<void> {
  const old = (await numbersIn(folder)).filter((number) => number < least)
  await Promise.all(old.map((number) => fs.promises.rm(join(folder, nameOf(number)), { force: true })))
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await fs.promises.readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function nameOf(number: number): string {
  return `${number}.json`
}

function temporaryIn(folder: string): string {
  return join(folder, `.${randomBytes(12).toString('hex')}.tmp`)
}

async function guarded<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw systemError('publish to', file, error)
  }
}
