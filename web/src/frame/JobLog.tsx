import { useState, useSyncExternalStore } from 'react'
import { downloadLog, LogStore } from '@/api/logs'
import { t } from '@/text'
import { LogView } from '@/ui/LogView'
import { toast } from './toasts'

/** JobLog shows the output of a job, as it comes while the job runs. */
export function JobLog({ job, label }: { job: string; label: string }) {
  const [store] = useState(() => new LogStore(job))
  const log = useSyncExternalStore(store.watch, store.get)
  const download = async () => {
    try {
      const url = URL.createObjectURL(await downloadLog(job))
      const a = document.createElement('a')
      a.href = url
      a.download = `${job}.log`
      a.click()
      URL.revokeObjectURL(url)
    } catch (e) {
      toast('danger', t.error.title, { body: (e as Error).message })
    }
  }
  return (
    <LogView
      label={label}
      lines={log.lines}
      dropped={log.dropped}
      live={!log.done && !log.error}
      error={log.error}
      onRetry={store.retry}
      onDownload={download}
    />
  )
}
