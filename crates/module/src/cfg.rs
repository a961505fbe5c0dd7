//! Control flow graph of a function body: basic blocks, the edges between them, and what happens to locals in each.
//! Built in one forward walk from structured control flow; what no path of branches leads to is not in it.

/// What matters to liveness, in program order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This local is read.
    Use(u32),
    /// This local is written.
    Def(u32),
    /// The locals live here belong to the stable point of this number.
    Point(u32),
}

/// Number of a basic block. Blocks are numbered in program order.
pub(crate) type BlockId = u32;

/// A finished graph.
#[derive(Debug)]
pub(crate) struct Cfg {
    events: Vec<Event>,
    /// Index into `events` of each block's first; a block ends where the next begins.
    block_starts: Vec<u32>,
    /// Predecessors of all blocks, block after block.
    preds: Vec<BlockId>,
    /// Where in `preds` those of each block start, and one more for the end of the last.
    pred_starts: Vec<u32>,
}

impl Cfg {
    /// How many blocks there are. The first is the entry.
    pub(crate) fn num_blocks(&self) -> usize {
        self.block_starts.len()
    }

    /// What happens in `block`, in order.
    pub(crate) fn events(&self, block: BlockId) -> &[Event] {
        let block = block as usize;
        let start = self.block_starts[block] as usize;
        let end = self.block_starts.get(block + 1).map_or(self.events.len(), |&end| end as usize);
        &self.events[start..end]
    }

    /// Blocks from which control can go to `block`; one may occur more than once.
    pub(crate) fn preds(&self, block: BlockId) -> &[BlockId] {
        let block = block as usize;
        &self.preds[self.pred_starts[block] as usize..self.pred_starts[block + 1] as usize]
    }
}

/// A place to branch to, perhaps not reached by the walk yet. Indexes [`CfgBuilder::labels`].
type Label = u32;

/// Block number of a label that is not bound yet.
const UNBOUND: BlockId = BlockId::MAX;

/// A structured control instruction whose `end` has not been reached.
struct Frame {
    /// Where a branch to this frame goes; `None` for the function itself, which it leaves.
    label: Option<Label>,
    /// Where a false condition goes, for an `if` before its `else` and entered by reachable code.
    else_label: Option<Label>,
    /// Whether `label` is at the start.
    is_loop: bool,
    /// Whether reachable code jumps to `label`.
    is_target: bool,
}

/// Builds a [`Cfg`]; fed with the instructions of a valid body, in order.
pub(crate) struct CfgBuilder {
    events: Vec<Event>,
    block_starts: Vec<u32>,
    labels: Vec<BlockId>,
    edges: Vec<(BlockId, Label)>,
    frames: Vec<Frame>,
    /// The block being filled; `None` in unreachable code.
    current: Option<BlockId>,
}

impl CfgBuilder {
    /// At the start of a body.
    pub(crate) fn new() -> CfgBuilder {
        CfgBuilder {
            events: Vec::new(),
            block_starts: vec![0],
            labels: Vec::new(),
            edges: Vec::new(),
            frames: vec![Frame { label: None, else_label: None, is_loop: false, is_target: false }],
            current: Some(0),
        }
    }

    /// Whether some path of branches leads to the next instruction.
    pub(crate) fn reachable(&self) -> bool {
        self.current.is_some()
    }

    /// Adds `event` to the current block, unless it cannot happen.
    pub(crate) fn event(&mut self, event: Event) {
        if self.reachable() {
            self.events.push(event);
        }
    }

    /// `block`.
    pub(crate) fn block(&mut self) {
        let label = self.new_label();
        self.frames.push(Frame { label: Some(label), else_label: None, is_loop: false, is_target: false });
    }

    /// `loop`. What follows is in the block that branches to it go to.
    pub(crate) fn loop_(&mut self) {
        let label = self.new_label();
        if self.reachable() {
            self.edge(label);
            self.bind(label);
        }
        self.frames.push(Frame { label: Some(label), else_label: None, is_loop: true, is_target: false });
    }

    /// `if`.
    pub(crate) fn if_(&mut self) {
        let label = self.new_label();
        let mut else_label = None;
        if self.reachable() {
            else_label = Some(self.new_label());
            else_label.inspect(|&label| self.edge(label));
            self.split();
        }
        self.frames.push(Frame { label: Some(label), else_label, is_loop: false, is_target: false });
    }

    /// `else`.
    pub(crate) fn else_(&mut self) {
        if self.reachable() {
            self.edge_to_frame(0);
        }
        self.current = None;
        let frame = self.frames.last_mut().expect("validated: `else` is in an `if`");
        if let Some(label) = frame.else_label.take() {
            self.bind(label);
        }
    }

    /// `end`.
    pub(crate) fn end(&mut self) {
        let frame = self.frames.pop().expect("validated: `end` ends something");
        let Some(label) = frame.label.filter(|_| !frame.is_loop) else {
            return;
        };
        if !frame.is_target && frame.else_label.is_none() {
            return; // only falling through leads here, if that
        }
        if self.reachable() {
            self.edge(label);
        }
        self.bind(label);
        if let (Some(else_label), Some(block)) = (frame.else_label, self.current) {
            self.labels[else_label as usize] = block;
        }
    }

    /// `br`.
    pub(crate) fn br(&mut self, depth: u32) {
        self.br_table([depth]);
    }

    /// `br_if`.
    pub(crate) fn br_if(&mut self, depth: u32) {
        if self.reachable() {
            self.edge_to_frame(depth);
            self.split();
        }
    }

    /// `br_table`, or any other set of branches of which one is taken.
    pub(crate) fn br_table(&mut self, depths: impl IntoIterator<Item = u32>) {
        if self.reachable() {
            let mut last = None;
            for depth in depths {
                if last.replace(depth) != Some(depth) {
                    self.edge_to_frame(depth);
                }
            }
        }
        self.current = None;
    }

    /// `return`, `unreachable`, a tail call: control leaves the function.
    pub(crate) fn leave(&mut self) {
        self.current = None;
    }

    /// After the last instruction.
    pub(crate) fn finish(self) -> Cfg {
        debug_assert!(self.frames.is_empty());
        let target = |label: Label| {
            let block = self.labels[label as usize];
            debug_assert_ne!(block, UNBOUND);
            block as usize
        };
        // Counting sort of the edges by target.
        let num_blocks = self.block_starts.len();
        let mut pred_starts = vec![0; num_blocks + 1];
        for &(_, label) in &self.edges {
            pred_starts[target(label) + 1] += 1;
        }
        for block in 0..num_blocks {
            pred_starts[block + 1] += pred_starts[block];
        }
        let mut next = pred_starts.clone();
        let mut preds = vec![0; self.edges.len()];
        for &(from, label) in &self.edges {
            let slot = &mut next[target(label)];
            preds[*slot as usize] = from;
            *slot += 1;
        }
        Cfg { events: self.events, block_starts: self.block_starts, preds, pred_starts }
    }

    fn new_label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        (self.labels.len() - 1) as Label
    }

    /// Starts a block at `label`.
    fn bind(&mut self, label: Label) {
        let block = self.block_starts.len() as BlockId;
        self.block_starts.push(self.events.len() as u32);
        self.labels[label as usize] = block;
        self.current = Some(block);
    }

    /// Starts a block that the current one falls into.
    fn split(&mut self) {
        let label = self.new_label();
        self.edge(label);
        self.bind(label);
    }

    /// An edge from the current block, if it is reachable.
    fn edge(&mut self, label: Label) {
        if let Some(block) = self.current {
            self.edges.push((block, label));
        }
    }

    fn edge_to_frame(&mut self, depth: u32) {
        let index = self.frames.len() - 1 - depth as usize;
        self.frames[index].is_target = true;
        if let Some(label) = self.frames[index].label {
            self.edge(label);
        }
    }
}
