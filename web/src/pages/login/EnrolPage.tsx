import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core'
import { useNavigate } from 'react-router'
import { client } from '@/api/client'
import { queries } from '@/api/queries'
import { paths } from '@/paths'
import { loadMe } from '@/session'
import { t } from '@/text'
import { TwoFactorSetup } from './TwoFactorSetup'

export const loader = loadMe

/** EnrolPage sets up a second factor for who must have one before he goes on. */
export function Component() {
  const navigate = useNavigate()
  const leave = (to: string) => {
    queries.clear()
    navigate(to, { replace: true })
  }
  return (
    <div className="atoll-login">
      <main>
        <Card>
          <CardTitle component="h1">{t.secondFactor.required}</CardTitle>
          <CardBody>
            <TwoFactorSetup onDone={() => leave(paths.home)} />
            <Button variant="link" onClick={() => client.POST('/api/v1/logout').finally(() => leave(paths.login))}>
              {t.session.out}
            </Button>
          </CardBody>
        </Card>
      </main>
    </div>
  )
}
