import {
  Button,
  Content,
  Label,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  OrderType,
} from '@patternfly/react-core'
import { useState } from 'react'
import type { Schemas } from '@/api/client'
import { count } from '@/format'
import { t } from '@/text'
import { ChangeList } from '@/ui/ChangeList'
import { ErrorView } from '@/ui/ErrorView'

type Plan = Schemas['Plan']

const limit = (n: number) => (n < 0 ? t.form.unlimited : count(n))

/** PlanView says what a change would do: where, what it takes, in which steps. */
export function PlanView({ plan }: { plan: Plan }) {
  return (
    <Content>
      <p>{t.form.planFine}</p>
      <ChangeList title={t.config.deployment} changes={plan.deployment} />
      <ChangeList title={t.config.application} changes={plan.application} />
      {plan.quota && plan.quota.length > 0 && (
        <>
          <h3>{t.form.quota}</h3>
          <List>
            {plan.quota
              .filter((q) => q.scope_kind !== 'node')
              .map((q) => (
                <ListItem key={q.scope_id + q.resource}>
                  {q.scope}, {q.resource}: {t.form.ofLimit(count(q.amount), count(q.delta), limit(q.limit))}
                </ListItem>
              ))}
          </List>
        </>
      )}
      {plan.placement && plan.placement.length > 0 && (
        <>
          <h3>{t.form.placement}</h3>
          <List>
            {[...plan.placement]
              .sort((a, b) => Number(b.chosen) - Number(a.chosen))
              .slice(0, 12)
              .map((c) => (
                <ListItem key={c.node}>
                  {c.node}{' '}
                  {c.chosen && (
                    <Label isCompact status="success">
                      {t.form.chosen}
                    </Label>
                  )}{' '}
                  {c.reason}
                </ListItem>
              ))}
          </List>
        </>
      )}
      {plan.steps && plan.steps.length > 0 && (
        <>
          <h3>{t.form.steps}</h3>
          <List component="ol" type={OrderType.number}>
            {plan.steps.map((s) => (
              <ListItem key={s}>{s}</ListItem>
            ))}
          </List>
        </>
      )}
    </Content>
  )
}

/** PlanButton asks what a form's call would do, without doing it. */
export function PlanButton({ ask, valid }: { ask: () => Promise<Plan>; valid: () => Promise<boolean> }) {
  const [answer, setAnswer] = useState<{ plan?: Plan; error?: Error }>()
  const [busy, setBusy] = useState(false)
  const go = async () => {
    if (!(await valid())) return
    setBusy(true)
    try {
      setAnswer({ plan: await ask() })
    } catch (error) {
      setAnswer({ error: error as Error })
    }
    setBusy(false)
  }
  return (
    <>
      <Button variant="secondary" onClick={go} isLoading={busy}>
        {t.form.plan}
      </Button>
      {answer && (
        <Modal isOpen variant="medium" onClose={() => setAnswer(undefined)} aria-labelledby="plan-title">
          <ModalHeader title={t.form.planTitle} labelId="plan-title" />
          <ModalBody>
            {answer.error && <ErrorView error={answer.error} />}
            {answer.plan && <PlanView plan={answer.plan} />}
          </ModalBody>
          <ModalFooter>
            <Button onClick={() => setAnswer(undefined)}>{t.close}</Button>
          </ModalFooter>
        </Modal>
      )}
    </>
  )
}
