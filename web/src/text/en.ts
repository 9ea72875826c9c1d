import { admin } from './en/admin'
import { frame } from './en/frame'
import { operate } from './en/operate'
import { staging } from './en/staging'
import { tenant } from './en/tenant'
import { wiki } from './en/wiki'

// Each area of pages has a file of its own.
export const en = { ...frame, ...tenant, ...staging, ...operate, ...admin, ...wiki }
