//! Tasks that their handles command, whatever else they do.

use std::pin::pin;

use tokio::sync::mpsc;

/// A task on the I/O thread, and the commands of its handle.
pub(super) trait Commanded {
    /// What the handle may want.
    type Command;

    /// Where the commands arrive.
    fn commands(&mut self) -> &mut mpsc::UnboundedReceiver<Self::Command>;

    /// Carries out a command; none means that the handle is gone. Says whether the task is to end.
    fn obey(&mut self, command: Option<Self::Command>) -> bool;

    /// What comes of `work`, during which commands are obeyed; nothing where the task is to end.
    async fn obeying<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                command = self.commands().recv() => {
                    if self.obey(command) {
                        return None;
                    }
                }
                done = &mut work => return Some(done),
            }
        }
    }
}
