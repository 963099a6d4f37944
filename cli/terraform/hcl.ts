/** A value of HCL, as far as variables of the modules go. */
export type HclValue = string | number | { readonly [name: string]: HclValue | undefined }

/** Text in quotes, with nothing in it that Terraform would evaluate. */
export function hclText(text: string): string {
  return JSON.stringify(text).replaceAll(/[$%](?=\{)/g, (sign) => `${sign}${sign}`)
}

/** Formatted as `terraform fmt` does: a member each line, the signs of equality below each other. */
export function hclValue(value: HclValue, indent = ''): string {
  if (typeof value === 'string') return hclText(value)
  if (typeof value === 'number') return String(value)
  const members = Object.entries(value).filter(
    (member): member is [string, HclValue] => member[1] !== undefined,
  )
  if (members.length === 0) return '{}'
  const inner = `${indent}  `
  return `{\n${alignedMembers(members, inner)}\n${indent}}`
}

/** What spans several lines stands apart: it is aligned with nothing. */
function alignedMembers(members: readonly (readonly [string, HclValue])[], indent: string): string {
  const isShort = (value: HclValue): boolean => typeof value !== 'object'
  const widthOf = (index: number): number => {
    let from = index
    let to = index
    while (from > 0 && isShort(members[from - 1]?.[1] ?? {})) from -= 1
    while (to < members.length - 1 && isShort(members[to + 1]?.[1] ?? {})) to += 1
    return Math.max(...members.slice(from, to + 1).map(([name]) => name.length))
  }
  return members
    .map(([name, value], index) => {
      const padded = isShort(value) ? name.padEnd(widthOf(index)) : name
      return `${indent}${padded} = ${hclValue(value, indent)}`
    })
    .join('\n')
}
