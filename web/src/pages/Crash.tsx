import { Button, PageSection } from '@patternfly/react-core'
import { useRouteError } from 'react-router'
import { ApiError, Unreachable } from '@/api/client'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { NotFound } from './NotFound'

/** Crash stands in for a page that could not be read, or has a defect. */
export function Crash({ inside }: { inside?: boolean }) {
  const error = useRouteError()
  if (error instanceof ApiError && error.problem.status === 404) return <NotFound />
  const reload = <Button onClick={() => location.reload()}>{t.error.reload}</Button>
  const known = error instanceof ApiError || error instanceof Unreachable
  return (
    <PageSection isFilled={!inside}>
      {known ? (
        <ErrorView error={error} retry={() => location.reload()} />
      ) : (
        <Empty title={t.error.title} actions={reload}>
          {t.error.crash}
          <br />
          <code>{String(error)}</code>
        </Empty>
      )}
    </PageSection>
  )
}
