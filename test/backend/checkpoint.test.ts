import { describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  formatCheckpoint,
  mergeCheckpoints,
  parseCheckpoint,
} from '../../src/backend/log/checkpoint.ts'
import { IntegrityError } from '../../src/errors.ts'
import { START } from '../key/records.ts'

const hash = (letter: string): string => letter.repeat(43)

const CHECKPOINT: Checkpoint = {
  environment: 'production',
  lineage: hash('r'),
  at: START,
  logs: new Map([
    ['production/environment', { entries: 2, hash: hash('a') }],
    ['production/sign/tokens', { entries: 7, hash: hash('b') }],
  ]),
}

const parse = (text: string): Checkpoint => parseCheckpoint(Buffer.from(text), 'the file')

describe('a checkpoint', () => {
  it('is read as it was written', () => {
    expect(parse(formatCheckpoint(CHECKPOINT))).toEqual(CHECKPOINT)
  })

  it.each([
    ['an unknown member', '"format"', '"extra": 1, "format"'],
    ['another format', '"format": 1', '"format": 2'],
    ['no entry', '"entries":7', '"entries":0'],
    ['half an entry', '"entries":7', '"entries":7.5'],
    ['a log of another environment', 'production/sign', 'staging/sign'],
    ['the log of another environment', 'production/environment', 'staging/environment'],
    ['a log with another name', 'production/sign/tokens', 'production/tokens'],
    ['a hash that is none', hash('b'), 'b'],
    ['a member of a log twice', '"entries":7', '"entries":7,"entries":1'],
    ['a time that is none', '2026-01-31T12:00:00Z', 'yesterday'],
    ['its end missing', '  }\n}\n', ''],
  ])('with %s is refused as a whole', (_, from, to) => {
    const text = formatCheckpoint(CHECKPOINT)
    expect(text).toContain(from)
    expect(() => parse(text.replace(from, to))).toThrow(IntegrityError)
  })

  it('keeps of two for each log the one that reaches further', () => {
    const later: Checkpoint = {
      ...CHECKPOINT,
      at: START + 1,
      logs: new Map([
        ['production/environment', { entries: 3, hash: hash('c') }],
        ['production/encrypt/vault', { entries: 1, hash: hash('d') }],
      ]),
    }
    expect(mergeCheckpoints(CHECKPOINT, later)).toEqual({
      ...later,
      logs: new Map([...later.logs, ['production/sign/tokens', { entries: 7, hash: hash('b') }]]),
    })
  })
})
