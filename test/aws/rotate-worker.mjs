// Rotates one key of AWS KMS whenever it is told which version is there: `rotate-worker.mjs <config>`, numbers on stdin.
// Writes out the number it added, or the code of what it was refused with.
import { createInterface } from 'node:readline'
import { openAwsKmsBackend } from '../../dist/src/backend/aws-kms/index.js'
import { rotateKey } from '../../dist/src/rotation/apply.js'

const ref = { environment: 'production', purpose: 'sign', name: 'tokens' }
const { config, client: settings } = JSON.parse(process.argv[2])
const { KMSClient } = await import('@aws-sdk/client-kms')
const client = new KMSClient(settings)
const backend = await openAwsKmsBackend({ ...config, client }, ref.environment)

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const options = {
    actor: `process ${process.pid}`,
    now: () => Math.floor(Date.now() / 1000),
    force: true,
    expectVersion: Number(line),
  }
  try {
    const { added } = await rotateKey(backend, ref, options)
    console.log(`added ${added.ref.number} ${added.material.id}`)
  } catch (error) {
    console.log(`refused ${error.code}`)
  }
}
client.destroy()
