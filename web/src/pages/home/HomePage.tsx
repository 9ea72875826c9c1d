import { lazy } from 'react'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import { ErrorBoundary } from '@/ui/ErrorBoundary'
import { Page } from '@/ui/Page'

const OperatorHome = lazy(() => import('./OperatorHome'))
const TenantHome = lazy(async () => ({ default: (await import('./TenantHome')).TenantHome }))

/** HomePage is where everybody begins: what matters now to those who look. */
export function Component() {
  const me = useMe()
  return (
    <Page title={t.nav.home} lead={<bdi>{t.home.welcome(me.user.full_name || me.user.name)}</bdi>}>
      <ErrorBoundary>{isStaff(me) ? <OperatorHome /> : <TenantHome />}</ErrorBoundary>
    </Page>
  )
}
