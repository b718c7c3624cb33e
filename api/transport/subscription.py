"""Subscriptions: what a connection follows under one name, be it events or documents."""

from collections.abc import Sequence

from ..delivery.feed import Feed
from ..delivery.topic import Cursor
from ..views.document_feed import DocumentFeed
from ..views.document_follower import DocumentFollower


class EventSubscription:
    """Follows the events of a session or of the whole log."""

    def __init__(self, feed: Feed, cursor: Cursor) -> None:
        self._feed = feed
        self._cursor = cursor

    def begin(self) -> None:
        """Deliver from the cursor's place on."""
        self._feed.resume(self._cursor)

    resume = begin

    def end(self) -> None:
        """Deliver nothing more."""
        self._feed.end(self._cursor)

    def place(self) -> str:
        """A resume point of the session, or a cursor of the log."""
        return self._cursor.topic.resume_place(self._cursor.place)

    event_id = place


class DocumentSubscription:
    """Follows documents of views."""

    def __init__(self, feed: DocumentFeed, followers: Sequence[DocumentFollower]) -> None:
        self._feed = feed
        self._followers = followers

    def begin(self) -> None:
        """Deliver each document, then its changes."""
        for follower in self._followers:
            self._feed.begin(follower)

    def resume(self) -> None:
        """Deliver those documents whole that were left behind."""
        for follower in self._followers:
            self._feed.resume(follower)

    def end(self) -> None:
        """Deliver nothing more."""
        for follower in self._followers:
            self._feed.end(follower)

    def place(self) -> list[dict[str, str]]:
        """The documents, each with the etag that the client has."""
        return [follower.place() for follower in self._followers]

    def event_id(self) -> str:
        """The etag of the document; a stream follows one."""
        return self._followers[0].known


ConnectionSubscription = EventSubscription | DocumentSubscription
