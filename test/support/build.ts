import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NODE_FLAGS } from './node-process.ts'

/**
 * Tests that start processes run what is shipped: it is built anew before each run. Only what changed is replaced, so that
 * two runs at once do not pull files from under each other. Types are checked elsewhere.
 */
export default function build(): void {
  const fresh = join('.build', `dist-${process.pid}`)
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc')
  const only = ['--noCheck', '--declaration', 'false', '--isolatedDeclarations', 'false', '--outDir', fresh]
  execFileSync(process.execPath, [...NODE_FLAGS, tsc, '-p', 'tsconfig.build.json', ...only], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (const name of readdirSync(fresh, { recursive: true }).map(String)) {
    const from = join(fresh, name)
    const to = join('dist', name)
    if (statSync(from).isDirectory() || isSame(from, to)) continue
    mkdirSync(dirname(to), { recursive: true })
    // Whole or not at all: a process of another run may be reading it.
    renameSync(from, to)
  }
  rmSync(fresh, { recursive: true, force: true })
}

function isSame(one: string, other: string): boolean {
  return existsSync(other) && readFileSync(one).equals(readFileSync(other))
}
