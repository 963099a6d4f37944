import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inFolder, runTerraform, TERRAFORM } from './terraform.ts'

/** Modules that need no provider, and how many runs their own tests have at least. */
const WITHOUT_PROVIDER = [{ module: 'contract', runs: 20 }]

describe('the modules', () => {
  it('are formatted as terraform fmt does it', () => {
    const { status, stdout } = runTerraform(['fmt', '-check', '-recursive'], { module: TERRAFORM })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  it.each(WITHOUT_PROVIDER)('$module passes its own tests', ({ module, runs }) => {
    const { status, stdout, stderr } = inFolder((TF_DATA_DIR) => {
      const options = { module: join(TERRAFORM, module), env: { TF_DATA_DIR } }
      runTerraform(['init', '-backend=false'], options)
      return runTerraform(['test', '-no-color'], options)
    })
    expect(status, stdout + stderr).toBe(0)
    expect(Number(/(\d+) passed, 0 failed/.exec(stdout)?.[1])).toBeGreaterThan(runs)
  })
})
