import { resolve } from 'node:path'
import { type Checkpoint, loadLocalBackend } from '../src/index.ts'
import type { Context } from './context.ts'
import { readFile } from './input.ts'

/** A line of about a hundred bytes for each log. */
const MAX_BYTES = 16 * 1024 * 1024

/** @throws CliError where it cannot be read, IntegrityError where it is no checkpoint */
export async function readCheckpoint(context: Context, name: string): Promise<Checkpoint> {
  const { parseCheckpoint } = await loadLocalBackend()
  return parseCheckpoint(await readFile(context, name, MAX_BYTES), resolve(context.io.cwd, name))
}
