import * as fs from 'node:fs'
import { join } from 'node:path'

/**
 * Copies a tree of files with its modes and times, as `cp -a` does. `fs.cpSync` leaves the modes of folders to the umask on
 * some releases of Node.js.
 */
export function copyTree(from: string, to: string): void {
  const { mode, atime, mtime } = fs.statSync(from)
  if (fs.statSync(from).isDirectory()) {
    fs.mkdirSync(to, { recursive: true })
    for (const name of fs.readdirSync(from)) copyTree(join(from, name), join(to, name))
  } else {
    fs.copyFileSync(from, to)
  }
  fs.chmodSync(to, mode & 0o7777)
  fs.utimesSync(to, atime, mtime)
}
