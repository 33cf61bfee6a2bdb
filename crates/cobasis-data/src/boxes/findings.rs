//! What was found in files of boxes that people should know of.

/// Something that was found, how often, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// How often.
    pub count: usize,
    /// The first of them: the annotation or file, and the box.
    pub first: Option<String>,
}

/// What was left out of a set or changed in it, and what is not judged like everything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Boxes without an area, or with sides below 0: left out.
    pub degenerate: Finding,
    /// Boxes that lie wholly beside their image: left out.
    pub outside: Finding,
    /// Boxes that reached beyond their image by more than half a pixel: cut at its edges.
    pub clipped: Finding,
    /// Boxes around crowds.
    pub crowds: usize,
    /// Boxes that nobody has to find.
    pub difficult: usize,
    /// Images without any box.
    pub empty: usize,
}

impl Finding {
    /// Counts one more.
    pub(super) fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(what);
    }

    /// A line for people, where there is something to say.
    fn line(&self, what: &str, then: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        let boxes = if self.count == 1 { "box" } else { "boxes" };
        Some(format!("{} {boxes} {what}, {then}; the first: {first}", self.count))
    }
}

impl Findings {
    /// What was left out or changed, a line for each kind.
    pub fn lines(&self) -> Vec<String> {
        let lines = [
            self.degenerate.line("without an area", "left out"),
            self.outside.line("beside the image", "left out"),
            self.clipped.line("beyond the image", "cut at its edges"),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Boxes that are in the files and not in the set.
    pub fn left_out(&self) -> usize {
        self.degenerate.count + self.outside.count
    }
}
