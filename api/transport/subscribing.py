"""Subscribing: what a connection is to follow, made from its frame."""

from ..access.principal import Principal
from ..delivery.event_filter import EVERY_SESSION, EventFilter
from ..delivery.subscriber import GroupKey, SubscriberSink
from ..delivery.websocket_encoder import WebSocketEncoder
from ..protocol.client_frames import Subscribe
from ..tenants.tenant import Tenant
from ..views.access import viewer_of
from ..views.document_follower import DocumentFollower
from .subscription import ConnectionSubscription, DocumentSubscription, EventSubscription


async def follow_documents(
    frame: Subscribe, sink: SubscriberSink, principal: Principal, tenant: Tenant, encoder: WebSocketEncoder
) -> ConnectionSubscription:
    """A subscription to documents of views. Raises Forbidden."""
    views = tenant.views
    followers = []
    for each in frame.views or ():
        projection = views.followed(each.view)
        viewer = await viewer_of(principal, tenant.log, projection, each.key)
        followers.append(DocumentFollower(projection, each.key, viewer, sink, frame.name, encoder, each.known))
    return DocumentSubscription(views.document_feed, followers)


async def follow_events(
    frame: Subscribe, sink: SubscriberSink, principal: Principal, tenant: Tenant, encoder: WebSocketEncoder
) -> ConnectionSubscription:
    """A subscription to the events of a session, or of the log. Raises Forbidden and BadCursor."""
    session, after = frame.session, frame.start(tenant.log.epoch)
    if session is not None:
        principal.require_read(session)
    sessions = EVERY_SESSION if session is not None else principal.read
    key = GroupKey(frame.name, encoder, EventFilter(frame.reading, frame.types, sessions))
    viewer = await principal.viewer(tenant.log, session)
    return EventSubscription(tenant.feed, await tenant.feed.follow(session, after, key, viewer, sink))
