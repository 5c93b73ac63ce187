// What a caller may do, and what can be done to a title now. The server refuses the rest by itself.

const RANKS = { viewer: 0, ops: 1, manager: 2 };
const ENDED = ["live", "rejected", "failed", "cancelled"];
const BROKEN = ["rejected", "failed", "cancelled"];

export const CLASSES = ["critical", "high", "normal", "low"];
export const STAGES = [
  "submitted", "register", "inspect", "qualify", "plan", "encode", "assemble", "measure", "package", "verify", "approve", "publish",
  "fill", "go_live", "live", "rejected", "failed", "cancelled",
];

export const may = (caller, role) => RANKS[caller.role] >= RANKS[role];
export const ended = (title) => ENDED.includes(title.stage);
export const asks = (title) => (title.questions ?? []).length > 0;

export function actions(caller, title) {
  const decides = may(caller, "manager");
  return {
    reorder: decides && !ended(title),
    hold: decides && !ended(title) && !title.held,
    resume: decides && !ended(title) && Boolean(title.held),
    answer: decides && asks(title),
    rollBack: decides && Boolean(title.live_version),
    cancel: may(caller, "ops") && !ended(title),
    retry: may(caller, "ops") && BROKEN.includes(title.stage),
    play: Boolean(title.links?.player),
    run: Boolean(title.links?.run),
    log: Boolean(title.links?.log),
  };
}
