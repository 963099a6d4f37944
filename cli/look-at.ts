import { type Stats, statSync } from 'node:fs'
import { fileError } from './errors.ts'

/** What is at a path, or at the end of the links there; undefined where nothing is. @throws CliError when nobody can tell */
export function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw fileError('look at', path, error)
  }
}
