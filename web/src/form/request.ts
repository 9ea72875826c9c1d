// A form's call, as a command line and as curl.

/** Request is a call as the portal makes it, and the command that does the same. */
export type Request = {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, string | undefined>
  body?: object
  /** words of the command line, as they are typed after “atoll” */
  cli: (string | undefined | false)[]
}

/** quote makes one word of a shell of a text. */
export const quote = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)

/** flag is a flag with its value, or nothing for no value. */
export const flag = (name: string, value: string | number | undefined | null) =>
  value === undefined || value === null || value === '' ? undefined : `--${name} ${quote(String(value))}`

/** command is the command line of a request. */
export const command = (r: Request) => ['atoll', ...r.cli.filter(Boolean)].join(' ')

/** curl is the call of a request by curl, with the variables that the command line reads too. */
export function curl(r: Request): string {
  const query = new URLSearchParams(
    Object.entries(r.query ?? {}).filter((e): e is [string, string] => e[1] !== undefined),
  ).toString()
  const lines = [
    `curl -X ${r.method} -H "Authorization: Bearer $ATOLL_TOKEN"`,
    ...(r.body ? [`  -H 'Content-Type: application/json' -d ${quote(JSON.stringify(r.body))}`] : []),
    `  "$ATOLL_URL/api/v1${r.path}${query ? `?${query}` : ''}"`,
  ]
  return lines.join(' \\\n')
}
