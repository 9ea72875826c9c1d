/** isJSON is a rule of a field: what is typed is JSON, or nothing. */
export const isJSON = (message: string) => (text: unknown) => {
  if (!text) return true
  try {
    JSON.parse(String(text))
    return true
  } catch {
    return message
  }
}
