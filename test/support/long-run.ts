/** Whether this is one of the long runs of package.json, each of which is asked for by `KEYTURN_…=full`. */
export const IS_LONG_RUN: boolean = Object.entries(process.env).some(
  ([name, value]) => name.startsWith('KEYTURN_') && value === 'full',
)
