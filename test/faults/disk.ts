import { constants } from 'node:fs'
import { basename, relative } from 'node:path'
import { after, type Call, type Proceed } from './calls.mjs'
import { type Leaf, parentOf, type Tree } from './tree.ts'

type Inode = FileInode | FolderInode

interface FileInode {
  readonly kind: 'file'
  readonly mode: number
  data: Buffer
  /** What an fsync has made durable; undefined before the first. */
  synced: Buffer | undefined
}

interface FolderInode {
  readonly kind: 'folder'
  readonly mode: number
  readonly names: Map<string, Inode>
  readonly synced: Map<string, Inode>
}

/** A change of a name that no fsync of its folder has made durable yet. The parts of one change come true together. */
interface Pending {
  readonly parts: readonly {
    readonly folder: FolderInode
    readonly name: string
    readonly to: Inode | undefined
  }[]
}

/**
 * A model of a file system under POSIX's promises, and no more than those: data is durable once its file was fsynced, a
 * name once its folder was fsynced after it. Anything else may or may not survive a power cut, in any combination.
 */
export class Disk {
  readonly #top: FolderInode
  #pending: Pending[] = []

  /** @param tree what is on the disk, durably */
  constructor(tree: Tree) {
    this.#top = folderInode(tree.get('')?.mode ?? 0o700)
    for (const [path, leaf] of tree) {
      if (path === '') continue
      const inode: Inode = leaf.data
        ? { kind: 'file', mode: leaf.mode, data: leaf.data, synced: leaf.data }
        : folderInode(leaf.mode)
      const parent = this.#folder(parentOf(path))
      parent.names.set(basename(path), inode)
      parent.synced.set(basename(path), inode)
    }
  }

  /** Does to the model what a call did to the file system under `root`. Whether it changed anything. */
  apply(call: Call, root: string): boolean {
    const path = relative(root, call.path)
    switch (call.name) {
      case 'open':
        return this.#open(path, call)
      case 'write':
      case 'appendFile':
      case 'writeFile': {
        if (call.name !== 'write')
          this.#open(path, { ...call, flags: call.name === 'appendFile' ? 'a' : 'w' })
        const file = this.#file(path)
        file.data = Buffer.concat([file.data, call.data ?? Buffer.alloc(0)])
        return true
      }
      case 'fsync':
      case 'fdatasync':
        return this.#sync(path)
      case 'mkdir':
        return this.#makeFolder(path, call.mode ?? 0o777, call.recursive === true)
      case 'link':
        this.#change([[relative(root, call.to ?? ''), this.#inode(path)]])
        return true
      case 'rename':
        this.#change([
          [path, undefined],
          [relative(root, call.to ?? ''), this.#inode(path)],
        ])
        return true
      case 'rm':
      case 'unlink':
        if (this.#inode(path)) this.#change([[path, undefined]])
        return true
      case 'truncate':
      case 'copyFile':
        throw new Error(`the model of the disk does not know ${call.name}`)
      default:
        return false
    }
  }

  /**
   * What a power cut at this moment may leave: any subset of the pending names, and of unsynced data all, a part, zeros or
   * nothing. All of them where that are at most `limit`, else a sample in which nothing and everything is.
   */
  *afterPowerCut(limit: number, random: () => number): Generator<Tree> {
    const files = this.#unsyncedFiles()
    const contents = files.map(contentsOf)
    const sizes = [...this.#pending.map(() => 2), ...contents.map((one) => one.length)]
    const total = sizes.reduce((product, size) => product * size, 1)
    const all = total <= limit
    for (let index = 0; index < Math.min(total, limit); index++) {
      const choices =
        all || index === 0 ? digitsOf(index, sizes) : sizes.map((size) => pick(size, index, random))
      const kept = this.#pending.filter((_, nth) => choices[nth] === 1)
      const chosen = new Map(
        files.map((file, nth) => [file, contents[nth]?.[choices[this.#pending.length + nth] ?? 0]]),
      )
      yield this.#survivors(kept, chosen)
    }
  }

  #survivors(kept: readonly Pending[], contents: ReadonlyMap<FileInode, Buffer | undefined>): Tree {
    const changed = new Map<FolderInode, Map<string, Inode | undefined>>()
    for (const { folder, name, to } of kept.flatMap(({ parts }) => parts)) {
      if (!changed.has(folder)) changed.set(folder, new Map())
      changed.get(folder)?.set(name, to)
    }
    const tree = new Map<string, Leaf>()
    const add = (path: string, inode: Inode): void => {
      if (inode.kind === 'file') {
        tree.set(path, { mode: inode.mode, data: contents.get(inode) ?? inode.data })
        return
      }
      tree.set(path, { mode: inode.mode })
      const names = new Map<string, Inode | undefined>([...inode.synced, ...(changed.get(inode) ?? [])])
      for (const [name, one] of names) if (one) add(path === '' ? name : `${path}/${name}`, one)
    }
    add('', this.#top)
    return tree
  }

  #unsyncedFiles(): readonly FileInode[] {
    const found = new Set<FileInode>()
    const look = (inode: Inode | undefined): void => {
      if (inode?.kind === 'file' && inode.synced !== inode.data) found.add(inode)
      if (inode?.kind === 'folder')
        for (const one of [...inode.names.values(), ...inode.synced.values()]) look(one)
    }
    look(this.#top)
    for (const { to } of this.#pending.flatMap(({ parts }) => parts)) look(to)
    return [...found]
  }

  #open(path: string, { flags, mode }: Call): boolean {
    if (!isCreating(flags)) return false
    const before = this.#inode(path)
    if (before) {
      if (before.kind === 'file' && flags === 'w') before.data = Buffer.alloc(0)
    } else {
      const data = Buffer.alloc(0)
      this.#change([[path, { kind: 'file', mode: mode ?? 0o666, data, synced: undefined }]])
    }
    return true
  }

  #sync(path: string): boolean {
    const inode = this.#inode(path)
    if (!inode) return false
    if (inode.kind === 'file') {
      inode.synced = inode.data
      return true
    }
    const isOf = (change: Pending): boolean => change.parts.some(({ folder }) => folder === inode)
    for (const { folder, name, to } of this.#pending.filter(isOf).flatMap(({ parts }) => parts)) {
      if (to) folder.synced.set(name, to)
      else folder.synced.delete(name)
    }
    this.#pending = this.#pending.filter((change) => !isOf(change))
    return true
  }

  #makeFolder(path: string, mode: number, recursive: boolean): boolean {
    if (this.#inode(path)) return false
    if (recursive) this.#makeFolder(parentOf(path), mode, true)
    this.#change([[path, folderInode(mode)]])
    return true
  }

  #change(parts: readonly (readonly [path: string, to: Inode | undefined])[]): void {
    const resolved = parts.map(([path, to]) => ({
      folder: this.#folder(parentOf(path)),
      name: basename(path),
      to,
    }))
    for (const { folder, name, to } of resolved) {
      if (to) folder.names.set(name, to)
      else folder.names.delete(name)
    }
    this.#pending.push({ parts: resolved })
  }

  #inode(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#top
    for (const name of path === '' ? [] : path.split('/')) {
      inode = inode?.kind === 'folder' ? inode.names.get(name) : undefined
    }
    return inode
  }

  #folder(path: string): FolderInode {
    const inode = this.#inode(path)
    if (inode?.kind !== 'folder') throw new Error(`the model of the disk has no folder ${path}`)
    return inode
  }

  #file(path: string): FileInode {
    const inode = this.#inode(path)
    if (inode?.kind !== 'file') throw new Error(`the model of the disk has no file ${path}`)
    return inode
  }
}

/** Whether a call may change the disk, or what a power cut leaves of it. */
export function isChange({ name, flags }: Call): boolean {
  return CHANGES.has(name) || (name === 'open' && isCreating(flags))
}

const CHANGES = new Set(
  'appendFile chmod copyFile fdatasync fsync link mkdir rename rm rmdir truncate unlink write writeFile'.split(
    ' ',
  ),
)

function isCreating(flags: Call['flags'] = 'r'): boolean {
  return typeof flags === 'number' ? (flags & constants.O_CREAT) !== 0 : /[wa]/.test(flags)
}

/** An interceptor that keeps `disk` in step with the calls that succeed, and tells of each that changed something. */
export function keepInStep(
  disk: Disk,
  root: string,
  onChange: (call: Call) => void = () => undefined,
): (call: Call, proceed: Proceed) => unknown {
  return (call, proceed) =>
    after(proceed(), (result) => {
      if (disk.apply(call, root)) onChange(call)
      return result
    })
}

function folderInode(mode: number): FolderInode {
  return { kind: 'folder', mode, names: new Map(), synced: new Map() }
}

/** What may be found in a file whose last writes were not synced. */
function contentsOf({ data, synced = Buffer.alloc(0) }: FileInode): readonly Buffer[] {
  return [synced, data.subarray(0, data.length >> 1), Buffer.alloc(data.length), data]
}

/** The digits of a number whose places have these bases. */
function digitsOf(index: number, bases: readonly number[]): readonly number[] {
  let rest = index
  return bases.map((base) => {
    const digit = rest % base
    rest = Math.floor(rest / base)
    return digit
  })
}

/** The second of a sample is everything; the others are drawn. */
function pick(size: number, index: number, random: () => number): number {
  return index === 1 ? size - 1 : Math.floor(random() * size)
}
