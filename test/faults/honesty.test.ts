import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { composeBackend } from '../../src/backend/compose.ts'
import { openEnvironment } from '../../src/backend/local/environment.ts'
import { createSeenFile } from '../../src/backend/local/index.ts'
import { SecretFiles } from '../../src/backend/local/secret-files.ts'
import { SignedLog } from '../../src/backend/log/signed-log.ts'
import { createRandom } from '../support/random.ts'
import { brokenOpener, type Mistake } from './broken-stores.mjs'
import type { Call } from './calls.mjs'
import { failDuring } from './io-errors.ts'
import { listCalls, OPERATIONS, type Scene, setScene } from './judge.ts'
import { killAt } from './kill.ts'
import type { Open, Operation } from './operations.mjs'
import { cutPowerAfterKill, cutPowerDuring } from './power-loss.ts'
import { createScratch } from './tree.ts'

// The harness finds nothing wrong with the store as it is. That counts only because it finds what is wrong with these.

const api = { composeBackend, createSeenFile, openEnvironment, SecretFiles, SignedLog }
let scratch: string
let scene: Scene

beforeAll(async () => {
  scratch = createScratch()
  scene = await setScene(scratch, OPERATIONS.find(({ name }) => name === 'suspended') as Operation)
})

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

const openTo = (mistake: Mistake): Open => brokenOpener(api, mistake)

async function powerLoss(mistake: Mistake): Promise<readonly string[]> {
  const options = { scratch, limit: 16, random: createRandom(1), open: openTo(mistake) }
  return (await cutPowerDuring(scene, options)).complaints
}

async function callsOf(mistake: Mistake, isWanted: (call: Call) => boolean): Promise<readonly Call[]> {
  return (await listCalls(scene, { scratch, open: openTo(mistake) })).filter(isWanted)
}

async function failedSync(mistake: Mistake): Promise<readonly string[]> {
  const [call] = await callsOf(mistake, ({ name, path }) => name === 'fsync' && path.includes('.tmp-'))
  const fault = { number: call?.number ?? 0, code: 'EIO', manner: 'early' } as const
  return (await failDuring(scene, fault, { scratch, open: openTo(mistake) })) ?? []
}

describe('the harness notices a store that', () => {
  it('acknowledges before the name is durable', async () => {
    expect(await powerLoss('acknowledges before the name is durable')).toContainEqual(
      expect.stringMatching(/power cut after it was acknowledged: an acknowledged change is lost/),
    )
  })

  it('relies on names that a killed process did not make durable', async () => {
    const open = openTo('relies on names that are not durable')
    const options = { scratch, limit: 4, random: createRandom(1), open }
    for (const next of ['repeat', 'read'] as const) {
      expect((await cutPowerAfterKill(scene, next, options)).complaints).toContainEqual(
        expect.stringMatching(new RegExp(`then ${next}: an acknowledged change is lost`)),
      )
    }
  })

  it('links before the data is durable', async () => {
    expect(await powerLoss('links before the data is durable')).toContainEqual(
      expect.stringMatching(/power cut link .*000002\.json: .*it is (empty|not two whole lines)/),
    )
  })

  it('writes in place, when the power fails', async () => {
    expect(await powerLoss('writes in place')).toContainEqual(expect.stringMatching(/error unreadable/))
  })

  it('writes in place, when it is killed', async () => {
    const mistake = 'writes in place'
    const [call] = await callsOf(
      mistake,
      ({ name, path }) => name === 'write' && path.endsWith('000002.json'),
    )
    const death = await killAt(scene, { when: 'within', number: call?.number ?? 0 }, { scratch, mistake })
    expect(death.killed).toBe(true)
    expect(death.complaints).toContainEqual(expect.stringMatching(/it is not two whole lines/))
  })

  it('swallows a failed fsync', async () => {
    expect(await failedSync('swallows a failed fsync')).toContainEqual(
      expect.stringMatching(/was acknowledged although it failed/),
    )
  })

  it('tries a failed fsync again', async () => {
    expect(await failedSync('tries a failed fsync again')).toContainEqual(
      expect.stringMatching(/was tried again after it had failed/),
    )
  })

  it('never closes what it wrote', async () => {
    const mistake = 'never closes what it wrote'
    const [call] = await callsOf(mistake, ({ name, to }) => name === 'link' && to !== undefined)
    const fault = { number: call?.number ?? 0, code: 'EIO', manner: 'early' } as const
    expect(await failDuring(scene, fault, { scratch, open: openTo(mistake) })).toContainEqual(
      expect.stringMatching(/left open/),
    )
  })
})
