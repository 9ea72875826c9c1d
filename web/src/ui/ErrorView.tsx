import { Alert, Button } from '@patternfly/react-core'
import { ApiError } from '@/api/client'
import { t } from '@/text'

/** hintOf is what to do about an error, beyond what it says itself. */
export function hintOf(error: Error): string | undefined {
  return error instanceof ApiError ? t.error.hint[error.problem.code] : undefined
}

/** ErrorView is an error in sentences: what failed, and what to do. */
export function ErrorView({ error, retry, title }: { error: Error; retry?: () => void; title?: string }) {
  const problem = error instanceof ApiError ? error.problem : undefined
  const hint = hintOf(error)
  return (
    <Alert
      variant="danger"
      isInline
      title={title ?? t.error.title}
      role="alert"
      actionLinks={
        retry && (
          <Button variant="link" isInline onClick={retry}>
            {t.retry}
          </Button>
        )
      }
    >
      <p className="atoll-text">{error.message}</p>
      {problem?.errors && problem.errors.length > 1 && (
        <ul>
          {problem.errors.map((e) => (
            <li key={e.field + e.detail}>
              <code>{e.field}</code>: {e.detail}
            </li>
          ))}
        </ul>
      )}
      {hint && <p>{hint}</p>}
      {problem?.request_id && <p className="atoll-small">{t.error.requestID(problem.request_id)}</p>}
    </Alert>
  )
}
