import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const TERRAFORM: string = fileURLToPath(new URL('../../terraform', import.meta.url))

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** The folder of the module. */
  readonly module: string
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs the `terraform` on the PATH, whose own files go elsewhere than into the tree. */
export function runTerraform(args: readonly string[], { module, input, env }: RunOptions): Ran {
  const { TF_CLI_CONFIG_FILE: _, ...inherited } = process.env
  const { status, stdout, stderr, error } = spawnSync('terraform', args, {
    cwd: module,
    input: input ?? '',
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...inherited, CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1', ...env },
    timeout: 55_000,
  })
  if (error) throw error
  return { status: status ?? -1, stdout, stderr }
}

/** A new folder that is gone after `use`. */
export function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-terraform-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What an expression means inside a module that needs no provider, given its variables. */
export function evaluate(module: string, variables: object, expression: string): unknown {
  return inFolder((folder) => {
    const file = join(folder, 'variables.tfvars.json')
    writeFileSync(file, JSON.stringify(variables))
    const { status, stdout, stderr } = runTerraform(['console', `-var-file=${file}`], {
      module,
      // Base64, since the console quotes text in a way of its own.
      input: `base64encode(jsonencode(${expression}))\n`,
      env: { TF_DATA_DIR: folder },
    })
    // A warning about what the outputs refuse may stand before it.
    const [, answer] = /^"([\w+/=]*)"$/m.exec(stdout) ?? []
    if (status !== 0 || answer === undefined) throw new Error(`terraform console: ${stderr || stdout}`)
    return JSON.parse(Buffer.from(answer, 'base64').toString('utf8'))
  })
}
