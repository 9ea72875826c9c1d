import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Part } from '@/ui/Part'
import { Ledger } from './Ledger'
import { Limits } from './Limits'
import { QuotaBars } from './QuotaBars'
import { Used } from './Used'

const x = t.usage

/** Scope is whose quota and usage it is: an account’s, or those of a cloudspace in it. */
export type Scope = { account: string; cloudspace?: string }

/** Usage is what an account or cloudspace uses, may use, and has used. */
export function Usage(scope: Scope) {
  const operator = isOperator(useMe())
  const [setting, setSetting] = useState(false)
  return (
    <>
      <Part
        title={x.quota}
        lead={x.quotaLead}
        actions={
          operator && (
            <Button variant="secondary" onClick={() => setSetting(true)}>
              {x.setLimits}
            </Button>
          )
        }
      >
        <QuotaBars {...scope} />
      </Part>
      <Part title={x.used} lead={x.usedLead}>
        <Used {...scope} />
      </Part>
      <Part title={x.ledger} lead={x.ledgerLead}>
        <Ledger {...scope} />
      </Part>
      {setting && <Limits {...scope} onClose={() => setSetting(false)} />}
    </>
  )
}
