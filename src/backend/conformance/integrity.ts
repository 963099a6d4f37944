import assert from 'node:assert/strict'
import { KeyturnError, RolledBackError } from '../../errors.ts'
import type { KeyRecord, VersionRecord } from '../../key/record.ts'
import { keyRefOf } from '../../key/ref.ts'
import { type Backend, type Finding, isFinding } from '../backend.ts'
import { collect, plain, refusesWith } from './expect.ts'
import { algorithmFor, canSign, draftOf, ENVIRONMENT, eventually, readVersion } from './fixtures.ts'
import { type ConformanceCase, type ConformanceHarness, REQUIRED_EDITS, type StoredEdit } from './harness.ts'
import { useOf } from './use.ts'

const FINDINGS = [
  'unreadable',
  'disagreement',
  'rolled-back',
  'orphan',
  'half-done',
  'reused-material',
  'permissions',
  'left-over',
]

/** A finding has to help whoever reads it. */
function assertFinding(finding: Finding, what: string): void {
  assert.ok(FINDINGS.includes(finding.finding), `${what}: ${finding.finding} is not a finding`)
  assert.ok(finding.severity === 'error' || finding.severity === 'warning', `${what}: the severity`)
  for (const text of [finding.subject, finding.message, finding.advice]) {
    assert.ok(
      typeof text === 'string' && text.length > 0,
      `${what}: a finding without subject, message or advice`,
    )
  }
  if (finding.error) assert.ok(finding.error instanceof KeyturnError, `${what}: the error of a finding`)
}

function names(finding: Finding, where: string): boolean {
  const texts = [finding.subject, finding.message]
  return texts.some((text) => text.includes(where)) || (!!finding.error && errorNames(finding.error, where))
}

/** A history that is too short is named as a whole, as what contains the edit. */
function errorNames(error: KeyturnError, where: string): boolean {
  return error.message.includes(where) || (error instanceof RolledBackError && where.startsWith(error.where))
}

/** An instance that has seen more may also say that it was rolled back. */
function codesOf(edit: StoredEdit): readonly string[] {
  return [edit.code ?? 'integrity', 'rolled-back']
}

function namesOfKeys(items: readonly (KeyRecord | Finding)[]): readonly string[] {
  return items.flatMap((item) => (isFinding(item) ? [] : [item.ref.name])).sort()
}

/** Expects the edit to be reported, and nothing else to be. */
async function isDiagnosed(backend: Backend, where: string, what: string): Promise<void> {
  const findings = await collect(backend.diagnose({}))
  for (const finding of findings) assertFinding(finding, what)
  assert.ok(
    findings.some((finding) => finding.severity === 'error' && names(finding, where)),
    `${what}: diagnose does not report it at ${where}`,
  )
}

/** Expects reading to be refused, and listing to go on with the other keys. */
async function isCaughtByReading(
  backend: Backend,
  bad: VersionRecord,
  good: VersionRecord,
  edit: StoredEdit,
  where: string,
): Promise<void> {
  const what = `the edit "${edit.name}"`
  const read = (): Promise<unknown> => backend.readKey(keyRefOf(bad.ref))
  const error = await refusesWith(read, codesOf(edit), what)
  assert.ok(errorNames(error, where), `${what}: the error does not say where (${where}): ${error.message}`)
  const items = await collect(backend.listKeys({}))
  const findings = items.filter(isFinding)
  for (const finding of findings) assertFinding(finding, what)
  assert.ok(
    findings.some((finding) => names(finding, where)),
    `${what}: the listing hides it`,
  )
  const listed = namesOfKeys(items)
  assert.ok(listed.includes(good.ref.name), `${what}: the listing loses another key`)
  assert.ok(!listed.includes(bad.ref.name), `${what}: the listing shows the edited key`)
  assert.deepEqual(plain(await readVersion(backend, good)), plain(good), `${what}: reading another key`)
}

/** Nothing may be built on an edited record either. */
async function isNotBuiltOn(backend: Backend, bad: VersionRecord, edit: StoredEdit): Promise<void> {
  const { algorithm, createdAt, ref } = bad
  const { environment, name } = ref
  const codes = codesOf(edit)
  const next = draftOf(algorithm, { environment, name, number: 2, createdAt })
  await refusesWith(() => backend.addVersion(next), codes, `a version after the edit "${edit.name}"`)
  const event = { type: 'compromised', at: createdAt } as const
  await refusesWith(() => backend.recordEvent(ref, event), codes, `an event after the edit "${edit.name}"`)
}

async function isCaught(harness: ConformanceHarness, edit: StoredEdit, environment: string): Promise<void> {
  const backend = await harness.open(environment)
  const algorithm = algorithmFor(backend, 'sign')
  const bad = await backend.addVersion(draftOf(algorithm, { environment, name: 'edited' }))
  const good = await backend.addVersion(draftOf(algorithm, { environment, name: 'healthy' }))
  await useOf(backend, bad)
  const reads = edit.caughtBy === 'read'
  const version = reads ? await backend.recordEvent(bad.ref, { type: 'suspended', at: bad.createdAt }) : bad
  assert.deepEqual(await collect(backend.diagnose({})), [], 'findings before the edit')
  const where = await edit.apply(version)
  assert.ok(where.length > 0, `the edit "${edit.name}" does not say where it is`)
  for (const one of [backend, await harness.open(environment)]) {
    await eventually(harness, async () => {
      if (reads) await isCaughtByReading(one, version, good, edit, where)
      else await refusesWith(() => useOf(one, version), codesOf(edit), `the edit "${edit.name}"`)
      await isDiagnosed(one, where, `the edit "${edit.name}"`)
      await useOf(one, good)
    })
    if (reads) await isNotBuiltOn(one, version, edit)
  }
}

export const integrityCases: readonly ConformanceCase[] = [
  {
    name: 'integrity: the harness tries every edit that the declared level must catch',
    requires: canSign,
    run: async (harness) => {
      const { integrity } = (await harness.open(ENVIRONMENT)).capabilities
      const offered = harness.edits.map((edit) => edit.name)
      const missing = REQUIRED_EDITS[integrity].filter((name) => !offered.includes(name))
      assert.deepEqual(missing, [], 'edits that are not tried')
    },
  },
  {
    name: 'integrity: edits behind the back of the backend are refused, reported, and say where',
    requires: canSign,
    run: async (harness) => {
      // Each in an environment of its own, so that one cannot hide another.
      for (const [index, edit] of harness.edits.entries()) await isCaught(harness, edit, `edited-${index}`)
    },
  },
  {
    name: 'integrity: one bad key among good ones stops nothing',
    requires: canSign,
    run: async (harness) => {
      const edit = harness.edits.find((one) => one.caughtBy === 'read')
      assert.ok(edit, 'the harness has no edit that reading catches')
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = algorithmFor(backend, 'sign')
      const count = (harness.pageSize ?? 10) + 3
      const versions: VersionRecord[] = []
      for (let index = 0; index < count; index++) {
        versions.push(await backend.addVersion(draftOf(algorithm, { name: `key-${index}` })))
      }
      const [bad, ...good] = versions.slice(1).concat(versions.slice(0, 1))
      assert.ok(bad)
      const where = await edit.apply(
        await backend.recordEvent(bad.ref, { type: 'suspended', at: bad.createdAt }),
      )
      await eventually(harness, async () => {
        const items = await collect(backend.listKeys({}))
        const findings = items.filter(isFinding)
        assert.equal(findings.length, 1, 'the bad key is one finding')
        assert.ok(findings.every((finding) => names(finding, where)))
        assert.deepEqual(namesOfKeys(items), good.map((version) => version.ref.name).sort())
      })
      for (const version of good) assert.deepEqual(plain(await readVersion(backend, version)), plain(version))
      for (const version of good) await useOf(backend, version)
      await backend.addVersion(draftOf(algorithm, { name: 'one-more' }))
    },
  },
]
