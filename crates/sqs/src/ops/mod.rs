//! Operations: wire input → command → output.

mod attributes;
mod batch;
mod digest;
mod incoming;
mod messages;
mod moves;
mod permissions;
mod queues;
mod receive;
mod send;
mod tags;

use ropeway_api::sqs::*;
use ropeway_core::Fault;
use ropeway_wire::{Cx, Error};

use crate::SqsService;
use crate::commands::{Command, Description, Output, SqsError, SqsMachine};

type Result<T> = std::result::Result<T, Error>;

impl SqsService {
    /// Submits a command to the shard of a queue; answers once all that it saw is durable.
    async fn submit(&self, cx: &Cx, arn: &str, command: Command) -> std::result::Result<Output, SqsError> {
        self.core.submit::<SqsMachine>(self.core.shard_of(arn), &cx.trace, command).await
    }

    /// Submits a command that answers for each entry of a batch.
    async fn submit_entries(&self, cx: &Cx, arn: &str, command: Command) -> Result<Vec<Result<()>>> {
        match self.submit(cx, arn, command).await? {
            Output::Entries(entries) => Ok(entries),
            other => Err(unexpected(&other)),
        }
    }

    /// A queue's settings and counts.
    async fn description(&self, cx: &Cx, arn: &str) -> Result<Description> {
        match self.submit(cx, arn, Command::Describe { queue: arn.to_owned() }).await? {
            Output::Described(description) => Ok(*description),
            other => Err(unexpected(&other)),
        }
    }
}

/// The machine answered with another command's output: a fault of this crate.
fn unexpected(output: &Output) -> Error {
    Fault::Damaged(format!("an output of another command: {output:?}")).into()
}

impl Sqs for SqsService {
    async fn add_permission(&self, cx: &Cx, input: AddPermissionInput) -> Result<AddPermissionOutput> {
        permissions::add(self, cx, input).await
    }

    async fn cancel_message_move_task(
        &self,
        cx: &Cx,
        input: CancelMessageMoveTaskInput,
    ) -> Result<CancelMessageMoveTaskOutput> {
        moves::cancel(self, cx, input).await
    }

    async fn change_message_visibility(
        &self,
        cx: &Cx,
        input: ChangeMessageVisibilityInput,
    ) -> Result<ChangeMessageVisibilityOutput> {
        messages::change_visibility(self, cx, input).await
    }

    async fn change_message_visibility_batch(
        &self,
        cx: &Cx,
        input: ChangeMessageVisibilityBatchInput,
    ) -> Result<ChangeMessageVisibilityBatchOutput> {
        messages::change_visibility_batch(self, cx, input).await
    }

    async fn create_queue(&self, cx: &Cx, input: CreateQueueInput) -> Result<CreateQueueOutput> {
        queues::create(self, cx, input).await
    }

    async fn delete_message(&self, cx: &Cx, input: DeleteMessageInput) -> Result<DeleteMessageOutput> {
        messages::delete(self, cx, input).await
    }

    async fn delete_message_batch(
        &self,
        cx: &Cx,
        input: DeleteMessageBatchInput,
    ) -> Result<DeleteMessageBatchOutput> {
        messages::delete_batch(self, cx, input).await
    }

    async fn delete_queue(&self, cx: &Cx, input: DeleteQueueInput) -> Result<DeleteQueueOutput> {
        queues::delete(self, cx, input).await
    }

    async fn get_queue_attributes(
        &self,
        cx: &Cx,
        input: GetQueueAttributesInput,
    ) -> Result<GetQueueAttributesOutput> {
        attributes::get(self, cx, input).await
    }

    async fn get_queue_url(&self, cx: &Cx, input: GetQueueUrlInput) -> Result<GetQueueUrlOutput> {
        queues::get_url(self, cx, input).await
    }

    async fn list_dead_letter_source_queues(
        &self,
        cx: &Cx,
        input: ListDeadLetterSourceQueuesInput,
    ) -> Result<ListDeadLetterSourceQueuesOutput> {
        queues::list_sources(self, cx, input).await
    }

    async fn list_message_move_tasks(
        &self,
        cx: &Cx,
        input: ListMessageMoveTasksInput,
    ) -> Result<ListMessageMoveTasksOutput> {
        moves::list(self, cx, input).await
    }

    async fn list_queue_tags(&self, cx: &Cx, input: ListQueueTagsInput) -> Result<ListQueueTagsOutput> {
        tags::list(self, cx, input).await
    }

    async fn list_queues(&self, cx: &Cx, input: ListQueuesInput) -> Result<ListQueuesOutput> {
        queues::list(self, cx, input).await
    }

    async fn purge_queue(&self, cx: &Cx, input: PurgeQueueInput) -> Result<PurgeQueueOutput> {
        queues::purge(self, cx, input).await
    }

    async fn receive_message(&self, cx: &Cx, input: ReceiveMessageInput) -> Result<ReceiveMessageOutput> {
        receive::receive(self, cx, input).await
    }

    async fn remove_permission(
        &self,
        cx: &Cx,
        input: RemovePermissionInput,
    ) -> Result<RemovePermissionOutput> {
        permissions::remove(self, cx, input).await
    }

    async fn send_message(&self, cx: &Cx, input: SendMessageInput) -> Result<SendMessageOutput> {
        send::send(self, cx, input).await
    }

    async fn send_message_batch(
        &self,
        cx: &Cx,
        input: SendMessageBatchInput,
    ) -> Result<SendMessageBatchOutput> {
        send::send_batch(self, cx, input).await
    }

    async fn set_queue_attributes(
        &self,
        cx: &Cx,
        input: SetQueueAttributesInput,
    ) -> Result<SetQueueAttributesOutput> {
        attributes::set(self, cx, input).await
    }

    async fn start_message_move_task(
        &self,
        cx: &Cx,
        input: StartMessageMoveTaskInput,
    ) -> Result<StartMessageMoveTaskOutput> {
        moves::start(self, cx, input).await
    }

    async fn tag_queue(&self, cx: &Cx, input: TagQueueInput) -> Result<TagQueueOutput> {
        tags::tag(self, cx, input).await
    }

    async fn untag_queue(&self, cx: &Cx, input: UntagQueueInput) -> Result<UntagQueueOutput> {
        tags::untag(self, cx, input).await
    }
}
