import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { startMoto } from '../fakes/moto.ts'

it('the story of the demo is the same in AWS KMS, with nothing but the backend changed', async () => {
  const moto = await startMoto()
  try {
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'demo'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: moto.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: moto.credentials.secretAccessKey,
        KEYTURN_DEMO_BACKEND: `--backend aws-kms --region ${moto.region} --endpoint ${moto.endpoint}`,
      },
    })
    expect(status, `${stdout}${stderr}`).toBe(0)
    expect(stdout).toContain(`AWS KMS region ${moto.region}`)
    expect(stdout).toContain('jose accepts the new token')
  } finally {
    await moto.stop()
  }
})
