// `data rewrap` as people run it, over a file of sealed records.
import fs from 'node:fs'
import { Readable } from 'node:stream'

const DATA = { environment: 'production', purpose: 'encrypt', name: 'data' }
const DAY = 24 * 3_600
/** More than are rewrapped at a time. */
const RECORDS = 40

/** An error that people are told, rather than the code that called. */
export function told(message, exitCode) {
  return Object.assign(new Error(message), { told: true, ...(exitCode === undefined ? {} : { exitCode }) })
}

export function rewraps({ openKeyring, rotateKey, run, withKeys, by, now }) {
  const sealing = async (backend, use) => {
    const keyring = await openKeyring({ environment: DATA.environment, backend })
    try {
      return await use(await keyring.encrypter(DATA.name))
    } finally {
      await keyring.close()
    }
  }

  const prepare = async (places, open) => {
    const backend = await withKeys(places, open, 0)
    const lines = await sealing(backend, async (encrypter) => {
      const sealed = []
      for (let id = 1; id <= RECORDS; id++)
        sealed.push(JSON.stringify({ id, data: await encrypter.encrypt(plain(id)) }))
      return sealed
    })
    await rotateKey(backend, DATA, { ...by, now: () => now() - 2 * DAY })
    await backend.close()
    fs.mkdirSync(folderIn(places), { mode: 0o700 })
    fs.writeFileSync(inputIn(places), lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })
  }

  const rewrapInto = (out) => async (places) => {
    const { store, masterKeyFile } = places
    const words = ['data', 'rewrap', DATA.name, '-e', DATA.environment, '--store', store]
    words.push('--master-key-file', masterKeyFile, '--in', inputIn(places), '--out', out(places))
    let stderr = ''
    const exitCode = await run(words, {
      stdin: Readable.from([]),
      stdout: { isTTY: false, write: async () => undefined },
      stderr: {
        isTTY: false,
        write: async (chunk) => {
          stderr += chunk
        },
      },
      env: { KEYTURN_STATE_DIR: `${places.folder}/state` },
      cwd: folderIn(places),
      now: Date.now,
      signal: new AbortController().signal,
      openTerminal: () => undefined,
    })
    if (exitCode !== 0) throw told(stderr, exitCode)
  }

  /** Whether each line is that of the input, under the version that is active now. */
  const isWhole = async (bytes, places, open) => {
    const lines = bytes.toString().trimEnd().split('\n')
    if (lines.length !== RECORDS || !bytes.toString().endsWith('\n')) return false
    const backend = await open(places)
    try {
      return await sealing(backend, async (encrypter) => {
        for (const [index, line] of lines.entries()) {
          const { id, data } = JSON.parse(line)
          const { kid } = JSON.parse(Buffer.from(data.split('.')[0], 'base64url'))
          if (id !== index + 1 || kid !== 'production/encrypt/data@2') return false
          if (!plain(id).equals(await encrypter.decrypt(data))) return false
        }
        return true
      })
    } finally {
      await backend.close()
    }
  }

  const operation = (name, out) => ({
    name,
    ref: DATA,
    prepare,
    run: rewrapInto(out),
    // Versions are opened ahead of their use, and once more when they are used.
    takesOnce: (_, path) =>
      /^stores\/main(\/production(\/encrypt(\/data(\/secrets(\/.*)?)?)?)?)?$/.test(path),
    isDone: (key, old) => JSON.stringify(key) === JSON.stringify(old),
    checkFiles: async (places, { start, required, open }) => {
      const input = start.get('records/sealed.jsonl').data
      const isInPlace = out(places) === inputIn(places)
      const complaints = []
      if (!isInPlace && !contentsOf(inputIn(places))?.equals(input)) complaints.push('the input was changed')
      const output = contentsOf(out(places))
      const isAsBefore = isInPlace ? output?.equals(input) : output === undefined
      if (isAsBefore && required) complaints.push('the output was acknowledged, and is not there')
      if (!isAsBefore && !(output && (await isWhole(output, places, open))))
        complaints.push('the output is torn')
      return complaints
    },
  })

  return [operation('data rewrap', outputIn), operation('data rewrap in place', inputIn)]
}

const folderIn = ({ folder }) => `${folder}/records`
const inputIn = (places) => `${folderIn(places)}/sealed.jsonl`
const outputIn = (places) => `${folderIn(places)}/rewrapped.jsonl`

function plain(id) {
  return Buffer.from(`what record ${id} says`)
}

function contentsOf(file) {
  return fs.existsSync(file) ? fs.readFileSync(file) : undefined
}
