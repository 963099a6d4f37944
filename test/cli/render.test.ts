import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Sink } from '../../cli/io.ts'
import { painterFor, printable, printableJson, renderFacts, renderTable } from '../../cli/render.ts'

const plain = (_: string, text: string): string => text
const sink = (isTTY: boolean): Sink => ({ isTTY, write: async () => undefined })
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

describe('printable', () => {
  it.each([
    ['an escape sequence', '\u001b[2J', '\\u{1b}[2J'],
    ['a newline', 'a\nb', 'a\\u{a}b'],
    ['a turn of direction', 'a\u202eb', 'a\\u{202e}b'],
    ['an eight-bit control', '\u009b31m', '\\u{9b}31m'],
    ['half a character', '\ud800', '\\u{d800}'],
  ])('shows %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown)
  })

  it('leaves text alone', () => {
    expect(printable('grüße, 世界 🙂')).toBe('grüße, 世界 🙂')
  })

  it('lets nothing invisible through, whatever comes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !INVISIBLE.test(printable(text))))
  })
})

describe('printableJson', () => {
  it('is the same JSON, with nothing invisible in it but its own newlines', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.constantFrom(undefined, 2),
        (value, indent) => {
          const text = printableJson(value, indent)
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
          expect(INVISIBLE.test(text.replaceAll('\n', ''))).toBe(false)
        },
      ),
    )
  })
})

describe('colour', () => {
  it.each([
    ['is for a terminal', true, {}, true],
    ['is not for a pipe', false, {}, false],
    ['is not for whoever set NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['is for whoever left NO_COLOR empty', true, { NO_COLOR: '' }, true],
    ['is not for a dumb terminal', true, { TERM: 'dumb' }, false],
  ])('%s', (_, isTTY, env, isPainted) => {
    expect(painterFor(sink(isTTY), env)('red', 'x')).toBe(isPainted ? '\u001b[31mx\u001b[0m' : 'x')
  })
})

describe('a table', () => {
  it('aligns its columns by what is shown', () => {
    const text = renderTable(
      ['NAME', 'STATE'],
      [
        ['a\u0007', { text: 'ok', colour: 'green' }],
        ['ü', '-'],
      ],
      plain,
    )
    expect(text).toBe(['NAME    STATE', 'a\\u{7}  ok', 'ü       -'].join('\n'))
  })

  it('leaves out facts that are not known', () => {
    expect(renderFacts({ key: 'a', reason: undefined, kid: 'b' })).toBe('key  a\nkid  b')
  })
})
