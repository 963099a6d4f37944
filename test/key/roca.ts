import { randomBytes } from 'node:crypto'

const isPrime = (n: number): boolean => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return n > 1
}

/** The product of all primes up to 701: the primorial that the faulty library used for 2048 bits. */
const PRIMORIAL = Array.from({ length: 702 }, (_, n) => n)
  .filter(isPrime)
  .reduce((product, prime) => product * BigInt(prime), 1n)

/**
 * A modulus of the form that CVE-2017-15361 describes: a product of two factors k·M + (65537^a mod M). The factors need not
 * be prime for the structure to show.
 */
export function rocaModulus(bits: number): bigint {
  for (;;) {
    const product = factor(bits / 2) * factor(bits / 2)
    if (product.toString(2).length === bits) return product
  }
}

function factor(bits: number): bigint {
  const least = 3n << BigInt(bits - 2)
  const k = least / PRIMORIAL + 1n + (random(4) % 1_000_000n)
  return k * PRIMORIAL + power(65_537n, random(8), PRIMORIAL)
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function random(bytes: number): bigint {
  return BigInt(`0x${randomBytes(bytes).toString('hex')}`)
}
