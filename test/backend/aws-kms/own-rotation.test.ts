import { EnableKeyRotationCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { openKeyring } from '../../../src/keyring/keyring.ts'
import { draftFor } from '../../backends/drafts.ts'
import { findingsOf, withAws } from './support.ts'

const ref = { environment: 'production', purpose: 'encrypt', name: 'customer-data' } as const
const algorithm = { alg: 'urn:keyturn:kms-wrap' } as const

it('a key that AWS rotates by itself stays one version, which decrypts what it encrypted before', async () => {
  await withAws(async ({ backend, kms, open }) => {
    const { material } = await backend.addVersion(
      draftFor('production/encrypt/customer-data@1', { algorithm }),
    )
    await kms.send(new EnableKeyRotationCommand({ KeyId: material.id, RotationPeriodInDays: 90 }))
    const keyring = await openKeyring({ environment: 'production', backend })
    const encrypter = await keyring.encrypter('customer-data')
    const before = await encrypter.encrypt(Buffer.from('before'))
    await kms.send(new RotateKeyOnDemandCommand({ KeyId: material.id }))
    const after = await encrypter.encrypt(Buffer.from('after'))
    await keyring.close()

    // Somebody who has seen nothing of it.
    const fresh = await open('production')
    expect((await fresh.readKey(ref))?.versions).toMatchObject([{ ref: { number: 1 }, events: [] }])
    expect(await findingsOf(fresh)).toEqual([])
    const other = await openKeyring({ environment: 'production', backend: fresh })
    const decrypter = await other.encrypter('customer-data')
    expect(Buffer.from(await decrypter.decrypt(before)).toString()).toBe('before')
    expect(Buffer.from(await decrypter.decrypt(after)).toString()).toBe('after')
    await other.close()

    await fresh.addVersion(draftFor('production/encrypt/customer-data@2', { algorithm }))
    expect((await fresh.readKey(ref))?.versions.map((version) => version.ref.number)).toEqual([1, 2])
  })
})
