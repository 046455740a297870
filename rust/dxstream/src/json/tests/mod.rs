use super::*;

mod differential;
mod places;
mod recorded;
mod rules;

/// Channels 1 and 3 are open and know the same columns.
#[derive(Default)]
struct Feed(Vec<Schema>);

impl Feed {
    fn with(mut self, kind: EventKind, names: &str) -> Self {
        let names: Vec<&str> = names.split(',').collect();
        self.0.push(Schema::new(kind, &names).unwrap());
        self
    }
}

impl Channels for Feed {
    fn is_open(&self, channel: u64) -> bool {
        matches!(channel, 1 | 3)
    }

    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema> {
        self.0.iter().find(|schema| self.is_open(channel) && schema.kind() == kind)
    }
}

/// The rows of a batch, each with its type and its words.
fn rows(batch: &Batch) -> Vec<(EventKind, Vec<u64>)> {
    batch
        .blocks()
        .flat_map(|(kind, words)| {
            words.chunks(kind.fields().len()).map(move |row| (kind, row.to_vec()))
        })
        .collect()
}
