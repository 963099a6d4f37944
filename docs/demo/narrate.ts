const bold = (text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[0m` : text

export function title(text: string): void {
  process.stdout.write(`\n${bold(text)}\n\n`)
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
