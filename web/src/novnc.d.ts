// What the portal uses of noVNC, which comes without types.
declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: Element, url: string)
    scaleViewport: boolean
    background: string
    disconnect(): void
    sendCtrlAltDel(): void
  }
}
