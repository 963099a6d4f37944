// Puts a hand on every file-system call that this process makes under one folder, or on a folder above it: to count, record,
// fail or outlive it. Plain JavaScript, so that a process that runs the built package can load it too.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Calls by path, and how many of their arguments are paths. The synchronous form is the same with `Sync` at its end. */
const BY_PATH = {
  access: 1,
  appendFile: 1,
  chmod: 1,
  copyFile: 2,
  exists: 1,
  link: 2,
  lstat: 1,
  mkdir: 1,
  open: 1,
  opendir: 1,
  readFile: 1,
  readdir: 1,
  realpath: 1,
  rename: 2,
  rm: 1,
  rmdir: 1,
  stat: 1,
  truncate: 1,
  unlink: 1,
  utimes: 1,
  writeFile: 1,
}
/** Calls on an open file: method of a FileHandle, and synchronous call with a descriptor. */
const BY_HANDLE = {
  appendFile: 'appendFileSync',
  close: 'closeSync',
  datasync: 'fdatasyncSync',
  read: 'readSync',
  readFile: 'readFileSync',
  stat: 'fstatSync',
  sync: 'fsyncSync',
  truncate: 'ftruncateSync',
  write: 'writeSync',
  writeFile: 'writeFileSync',
}

const NAMES = { appendFile: 'write', datasync: 'fdatasync', sync: 'fsync', writeFile: 'write' }

const openFiles = new Map()
let watcher
let depth = 0

/** What is open under the watched folder, by path: a leak if an operation is over. */
export function openPaths() {
  return [...openFiles.values()]
}

/** Calls `intercept(call, proceed)` in place of every call on `folder`, what is in it, and the folders above it. */
export function watchCalls(folder, intercept) {
  if (watcher) throw new Error('another folder is being watched')
  const root = resolve(folder)
  watcher = {
    count: 0,
    intercept,
    concerns: (path) =>
      path === root ||
      path.startsWith(`${root}${sep}`) ||
      root.startsWith(path === sep ? sep : `${path}${sep}`),
  }
  openFiles.clear()
  return () => {
    watcher = undefined
  }
}

/** `then` for a value that may be a promise. */
export function after(value, next) {
  return value instanceof Promise ? value.then(next) : next(value)
}

function perform(name, paths, details, run) {
  if (!watcher || depth > 0 || !watcher.concerns(paths[0])) return run()
  const call = {
    number: ++watcher.count,
    name,
    path: paths[0],
    ...(paths[1] ? { to: paths[1] } : {}),
    ...details,
  }
  let ran = false
  const proceed = (data) => {
    ran = true
    return run(data)
  }
  // What the interceptor itself does with files is not part of what it watches.
  depth++
  try {
    const result = watcher.intercept(call, proceed)
    return result instanceof Promise && name === 'close' ? result.finally(() => ran || run()) : result
  } catch (error) {
    // The system closes a file even when it says that closing failed.
    if (name === 'close' && !ran) {
      const closed = run()
      if (closed instanceof Promise) closed.catch(() => undefined)
    }
    throw error
  } finally {
    depth--
  }
}

function pathOf(value) {
  if (typeof value === 'string') return resolve(value)
  return value instanceof URL ? fileURLToPath(value) : undefined
}

function replace(object, name, make) {
  const original = object[name]
  if (typeof original !== 'function') return
  object[name] = make(original)
  Object.assign(object[name], original)
}

function detailsOf(name, args) {
  if (name === 'open') return { flags: args[1] ?? 'r', mode: args[2] }
  if (name === 'mkdir') return { recursive: args[1]?.recursive === true, mode: args[1]?.mode }
  if (name === 'writeFile' || name === 'appendFile') return { data: bytesOf(args[1]), mode: args[2]?.mode }
  return {}
}

function bytesOf(data) {
  return typeof data === 'string' ? Buffer.from(data) : data
}

function withData(args, index, data) {
  return data === undefined ? args : args.with(index, data)
}

function watchPathCalls() {
  for (const [name, count] of Object.entries(BY_PATH)) {
    const wrap = (original) =>
      function watched(...args) {
        const paths = args.slice(0, count).map(pathOf)
        if (paths[0] === undefined) return original.apply(this, args)
        return perform(name, paths, detailsOf(name, args), (data) => {
          const result = original.apply(this, withData(args, 1, data))
          if (name !== 'open') return result
          return after(result, (opened) => {
            if (watcher?.concerns(paths[0])) openFiles.set(opened, paths[0])
            // The one method that every handle has of its own.
            if (opened.close) replace(opened, 'close', ofHandle('close'))
            return opened
          })
        })
      }
    replace(fs, `${name}Sync`, wrap)
    if (name !== 'exists') replace(fs.promises, name, (original) => rejecting(wrap(original)))
  }
}

/** What is thrown before a promise is there rejects one. */
function rejecting(call) {
  return function watched(...args) {
    try {
      return call.apply(this, args)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

function onHandle(name, original, keyOf, dataIndex) {
  return function watched(...args) {
    const key = keyOf(this, args)
    const path = openFiles.get(key)
    if (path === undefined) return original.apply(this, args)
    return perform(name, [path], name === 'write' ? { data: bytesOf(args[dataIndex]) } : {}, (data) => {
      if (name === 'close') openFiles.delete(key)
      return original.apply(this, withData(args, dataIndex, data))
    })
  }
}

/** The forms with a callback that streams use on a descriptor. What a stream only read may be closed unseen. */
function watchStreamCalls() {
  replace(fs, 'read', (original) => {
    return function watched(descriptor, ...rest) {
      const path = openFiles.get(descriptor)
      if (path === undefined) return original.call(this, descriptor, ...rest)
      try {
        return perform('read', [path], {}, () => original.call(this, descriptor, ...rest))
      } catch (error) {
        process.nextTick(rest.at(-1), error)
      }
    }
  })
  replace(fs, 'close', (original) => {
    return function watched(descriptor, ...rest) {
      openFiles.delete(descriptor)
      return original.call(this, descriptor, ...rest)
    }
  })
}

function ofHandle(name) {
  return (original) => rejecting(onHandle(name, original, (self) => self, 0))
}

async function watchHandleCalls() {
  const handle = await fs.promises.open(new URL(import.meta.url))
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  for (const [method, sync] of Object.entries(BY_HANDLE)) {
    const name = NAMES[method] ?? method
    replace(prototype, method, ofHandle(name))
    replace(fs, sync, (original) => onHandle(name, original, (_, [descriptor]) => descriptor, 1))
  }
}

const WATCHING = Symbol.for('keyturn.faults')
if (process[WATCHING]) throw new Error('the calls of this process are watched already')
process[WATCHING] = true
watchPathCalls()
watchStreamCalls()
await watchHandleCalls()
syncBuiltinESMExports()
