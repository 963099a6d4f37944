import type { Operation } from '../call.ts'
import { pageOf } from '../page.ts'
import type { KeyState } from '../realm.ts'
import { checkTagName, listTags, mergeTags, readTags } from '../tags.ts'

const LIVING: readonly KeyState[] = ['Enabled', 'Disabled']

export const TAG_OPERATIONS: Readonly<Record<string, Operation>> = {
  TagResource: {
    kind: 'change',
    run(call) {
      const tags = readTags(call.input, true)
      const access = { requestTags: tags, tagKeys: Object.keys(tags) }
      const { key } = call.key({ states: LIVING, access })
      call.change(key, (facts) => ({ ...facts, tags: mergeTags(facts.tags, tags) }))
      return {}
    },
  },
  UntagResource: {
    kind: 'change',
    run(call) {
      const names = call.input.texts('TagKeys')
      names.forEach((name, index) => {
        checkTagName(name, `tagKeys.${index + 1}.member`)
      })
      const { key } = call.key({ states: LIVING, access: { tagKeys: names } })
      call.change(key, (facts) => ({
        ...facts,
        tags: Object.fromEntries(Object.entries(facts.tags).filter(([name]) => !names.includes(name))),
      }))
      return {}
    },
  },
  ListResourceTags: {
    kind: 'read',
    run(call) {
      const all = listTags(call.key().facts.tags)
      const { items, rest } = pageOf(call.input, all, ({ TagKey }) => TagKey, { limit: 50, most: 50 })
      return { Tags: items, ...rest }
    },
  },
}
