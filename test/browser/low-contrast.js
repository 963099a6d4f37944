// Evaluated in the page: the texts whose contrast to what they stand on is below 4.5, as WCAG 2.2 AA asks for.
;(() => {
  const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const channel = (value) => {
    const part = value / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
  const groundOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const rect = one.tagName === 'g' ? one.querySelector(':scope > rect') : null
      const fill = rect ? getComputedStyle(rect).fill : 'none'
      if (fill !== 'none') return fill
      const { backgroundColor } = getComputedStyle(one)
      if (parse(backgroundColor)[3] !== 0) return backgroundColor
    }
    return 'rgb(255, 255, 255)'
  }
  const bad = new Set()
  for (const element of document.querySelectorAll('p, li, td, th, h1, h2, h3, span, code, text')) {
    const text = element.textContent.trim()
    if (text === '') continue
    const isDrawn = element.tagName === 'text'
    const style = getComputedStyle(element)
    const ink = luminance(parse(isDrawn ? style.fill : style.color))
    const ground = luminance(parse(groundOf(isDrawn ? element.parentElement : element)))
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)
    if (contrast < 4.5) bad.add(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`)
  }
  return [...bad]
})()
