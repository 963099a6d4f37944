import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A file with its contents, or a folder without any. */
export interface Leaf {
  readonly mode: number
  readonly data?: Buffer
}

/** A folder and everything in it, by path relative to it. A folder comes before what is in it; `''` is the top. */
export type Tree = ReadonlyMap<string, Leaf>

export function readTree(folder: string): Tree {
  const tree = new Map<string, Leaf>()
  const add = (path: string): void => {
    const full = join(folder, path)
    const { mode } = fs.lstatSync(full)
    if (!fs.lstatSync(full).isDirectory()) {
      tree.set(path, { mode: mode & 0o777, data: fs.readFileSync(full) })
      return
    }
    tree.set(path, { mode: mode & 0o777 })
    for (const name of fs.readdirSync(full).sort()) add(join(path, name))
  }
  add('')
  return tree
}

export function writeTree(folder: string, tree: Tree): void {
  for (const [path, { mode, data }] of tree) {
    const full = join(folder, path)
    if (data) fs.writeFileSync(full, data, { mode })
    else if (!fs.existsSync(full)) fs.mkdirSync(full, { mode })
  }
}

export function digestOf(tree: Tree): string {
  const hash = createHash('sha256')
  for (const path of [...tree.keys()].sort()) {
    const { mode, data } = tree.get(path) as Leaf
    hash.update(`${path}\0${mode}\0${data ? createHash('sha256').update(data).digest('hex') : 'folder'}\0`)
  }
  return hash.digest('hex')
}

/** Where stores are put that need no disk: in memory where the system has such a place. */
export function createScratch(): string {
  const base = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  return fs.realpathSync(fs.mkdtempSync(join(base, 'keyturn-faults-')))
}

/** Puts a tree into a new folder, hands it to `use`, and removes it. */
export async function inFolder<T>(
  scratch: string,
  tree: Tree,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = fs.mkdtempSync(join(scratch, 'case-'))
  try {
    writeTree(folder, tree)
    return await use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

export function parentOf(path: string): string {
  const parent = dirname(path)
  return parent === '.' ? '' : parent
}

/** `size` of them, drawn without repetition. */
export function sampleOf<T>(all: readonly T[], size: number, random: () => number): readonly T[] {
  if (size >= all.length) return all
  const rest = [...all]
  return Array.from({ length: size }, () => rest.splice(Math.floor(random() * rest.length), 1)[0] as T)
}
