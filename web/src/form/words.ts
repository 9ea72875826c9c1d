/** words splits a command line as a shell would, as far as quotes go: `echo 'two words'"!"` has two. */
export function words(line: string): string[] {
  const out: string[] = []
  for (const m of line.matchAll(/(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])+/g))
    out.push(
      m[0].replace(
        /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
        (_, single, double, escaped) => single ?? double?.replace(/\\(.)/g, '$1') ?? escaped,
      ),
    )
  return out
}
