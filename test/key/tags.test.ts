import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../src/errors.ts'
import { stateOf } from '../../src/key/lifecycle.ts'
import type { VersionEvent } from '../../src/key/record.ts'
import {
  formatDescription,
  formatEventTag,
  formatTags,
  hasOurTags,
  nextEventOrder,
  parseTags,
  TAG_VALUE,
  type TaggedVersion,
  type Tags,
  taggedVersionOf,
} from '../../src/key/tags.ts'
import { algorithmsOf, epochs, events, policiesOf, versionRefs } from './arbitraries.ts'
import { SIGN_KEY, START, versionOf } from './records.ts'

type Tagged = Omit<TaggedVersion, 'events'>

const tagged: fc.Arbitrary<Tagged> = versionRefs.chain((ref) =>
  fc
    .record({
      ref: fc.constant(ref),
      algorithm: algorithmsOf(ref.purpose),
      activatesAt: epochs,
      activation: fc.constantFrom<TaggedVersion['activation']>('first', 'scheduled', 'emergency'),
      origin: fc.constantFrom<TaggedVersion['origin']>('generated', 'imported', 'adopted'),
      policy: policiesOf(ref.purpose),
      content: fc.constantFrom<'jwt' | 'bytes'>('jwt', 'bytes'),
      terraform: fc.boolean(),
    })
    .map(({ content, terraform, ...rest }) => ({
      ...rest,
      ...(ref.purpose === 'sign' ? { content } : {}),
      ...(terraform ? { managedBy: 'terraform' as const } : {}),
    })),
)

const GOOD = formatTags({
  ...taggedVersionOf(versionOf(SIGN_KEY, { number: 3 })),
  managedBy: 'terraform',
})

/** Writes events the way a backend does: each overwrites the tag of the one of its type before it. */
function written(history: readonly VersionEvent[], tags: Tags = GOOD): Tags {
  let after = tags
  for (const event of history) after = { ...after, ...formatEventTag(event, nextEventOrder(after)) }
  return after
}

describe('tags', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(tagged, (version) => {
        expect(parseTags(formatTags(version))).toEqual({ ...version, events: [] })
      }),
    )
  })

  it('are legal as AWS tags and as GCP labels', () => {
    fc.assert(
      fc.property(tagged, fc.array(events, { maxLength: 8 }), (version, history) => {
        const tags = written(history, formatTags(version))
        expect(Object.keys(tags).length).toBeLessThanOrEqual(50)
        for (const [name, value] of Object.entries(tags)) {
          expect(name).toMatch(/^[a-z][a-z0-9_-]{0,62}$/)
          expect(value).toMatch(TAG_VALUE)
        }
      }),
    )
  })

  it('keep the latest event of each type, in the order in which they happened', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 12 }), (history) => {
        const latest = history.filter(
          (event, index) => !history.slice(index + 1).some((later) => later.type === event.type),
        )
        expect(parseTags(written(history)).events).toEqual(latest)
      }),
    )
  })

  it('tell what happened last, also when clocks disagree and types repeat', () => {
    const at = START
    const history: readonly VersionEvent[] = [
      { type: 'suspended', at: at + 10 },
      { type: 'resumed', at: at + 20 },
      { type: 'suspended', at: at + 30 },
      { type: 'resumed', at: at + 29 },
    ]
    const version = { ...versionOf(SIGN_KEY, { number: 1 }), events: parseTags(written(history)).events }
    expect(stateOf(version, [version], at + 40)).toBe('pre-activation')
  })

  it('read the same in whatever order they are listed', () => {
    const tags = {
      ...GOOD,
      ...formatEventTag({ type: 'suspended', at: START }, 0),
      ...formatEventTag({ type: 'compromised', at: START }, 0),
    }
    const reversed = Object.fromEntries(Object.entries(tags).reverse())
    expect(parseTags(reversed)).toEqual(parseTags(tags))
  })

  it('of other people are ignored', () => {
    const others = {
      Team: 'identity',
      'aws:cloudformation:stack-id': 'x',
      keyturn: '?',
      'KEYTURN-name': 'X',
      __proto__x: '',
    }
    expect(parseTags({ ...GOOD, ...others })).toEqual(parseTags(GOOD))
    expect(hasOurTags(others)).toBe(false)
    expect(hasOurTags(GOOD)).toBe(true)
  })

  it.each([
    'keyturn-',
    'keyturn-Format',
    'keyturn-comment',
    'keyturn-__proto__',
    'keyturn-constructor',
    'keyturn-format ',
  ])('of ours that are unknown are refused: %j', (name) => {
    expect(() => parseTags({ ...GOOD, [name]: '1' })).toThrow(`the tag "${name}" is unknown`)
  })

  it.each(Object.keys(GOOD).filter((name) => !/content|managed-by/.test(name)))(
    'are refused without %s, by name',
    (name) => {
      const { [name]: _, ...rest } = GOOD
      expect(() => parseTags(rest)).toThrow(`the tag ${name} is missing`)
    },
  )

  it('have a content exactly on signing keys', () => {
    const { 'keyturn-content': _, ...rest } = GOOD
    expect(() => parseTags(rest)).toThrow(/keyturn-content is neither jwt nor bytes/)
    expect(() => parseTags({ ...GOOD, 'keyturn-purpose': 'encrypt' })).toThrow(InvalidInputError)
  })

  it.each([
    ['keyturn-format', '2'],
    ['keyturn-environment', 'prod_uction'],
    ['keyturn-purpose', 'signing'],
    ['keyturn-name', '9lives'],
    ['keyturn-version', '0'],
    ['keyturn-version', '01'],
    ['keyturn-version', '1000000'],
    ['keyturn-algorithm', 'hs128'],
    ['keyturn-activates-at', '-1'],
    ['keyturn-activates-at', '007'],
    ['keyturn-activates-at', '253402300800'],
    ['keyturn-activates-at', '99999999999999999999'],
    ['keyturn-activation', 'soon'],
    ['keyturn-origin', 'found'],
    ['keyturn-policy', '90d'],
    ['keyturn-content', 'JWT'],
    ['keyturn-managed-by', 'pulumi'],
    ['keyturn-suspended', '1769860800'],
    ['keyturn-suspended', '1769860800_0_1'],
    ['keyturn-advanced', '1769860800_0'],
    ['keyturn-destroyed', 'x_0'],
    ['keyturn-name', ''],
    ['keyturn-name', 'a b'],
    ['keyturn-name', 'a'.repeat(64)],
  ])('are refused where %s is %j', (name, value) => {
    expect(() => parseTags({ ...GOOD, [name]: value })).toThrow()
    expect(() => parseTags({ ...GOOD, [name]: value })).toThrow(new RegExp(`${name}|the format`))
  })
})

describe('the description', () => {
  it('is one line, and the same for tags that say the same', () => {
    fc.assert(
      fc.property(tagged, (version) => {
        const { managedBy: _, ...lasting } = version
        expect(formatDescription(version)).toBe(formatDescription(lasting))
        expect(formatDescription(version)).toMatch(/^keyturn [a-z0-9/@-]+( [a-z-]+=[a-z0-9_-]+)+$/)
      }),
    )
  })

  it('differs wherever the lasting tags differ', () => {
    fc.assert(
      fc.property(tagged, tagged, ({ managedBy: _, ...one }, { managedBy: __, ...other }) => {
        const areSame = JSON.stringify(formatTags(one)) === JSON.stringify(formatTags(other))
        expect(formatDescription(one) === formatDescription(other)).toBe(areSame)
      }),
    )
  })
})
