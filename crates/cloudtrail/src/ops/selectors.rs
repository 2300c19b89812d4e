//! PutEventSelectors, GetEventSelectors.

use ropeway_api::cloudtrail::{
    GetEventSelectorsInput, GetEventSelectorsOutput, PutEventSelectorsInput, PutEventSelectorsOutput,
};
use ropeway_wire::{Cx, Error};

use super::CloudTrail;
use crate::commands::Change;
use crate::selectors;

pub async fn put_event_selectors(
    service: &CloudTrail,
    cx: &Cx,
    input: PutEventSelectorsInput,
) -> Result<PutEventSelectorsOutput, Error> {
    let trail = service.find_at_home(cx, &input.trail_name)?;
    let selectors = selectors::checked(input.event_selectors, input.advanced_event_selectors)?;
    let trail = service.change(cx, &trail, Change::Selectors(selectors)).await?;
    let (event_selectors, advanced_event_selectors) = selectors::told(&trail.selectors);
    Ok(PutEventSelectorsOutput { trail_arn: Some(trail.arn()), event_selectors, advanced_event_selectors })
}

pub async fn get_event_selectors(
    service: &CloudTrail,
    cx: &Cx,
    input: GetEventSelectorsInput,
) -> Result<GetEventSelectorsOutput, Error> {
    let trail = service.find(cx, &input.trail_name)?;
    let (event_selectors, advanced_event_selectors) = selectors::told(&trail.selectors);
    Ok(GetEventSelectorsOutput { trail_arn: Some(trail.arn()), event_selectors, advanced_event_selectors })
}
