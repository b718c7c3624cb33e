"""Responses with what views hold, as it is or as it was."""

from typing import Any

import orjson
from aiohttp import web

from ...domain.errors import NoDocument
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ..views.listing import ListPage, ListQuery
from ..views.rendering import etag_of
from .responses import json_response, spliced_response
from .view_answers import DocumentAnswer, DocumentsPage, RowsPage
from .view_queries import RowsQuery, typed


def list_query(projection: AnyProjection, query: RowsQuery, fixed: dict[str, Any]) -> ListQuery:
    """Which rows a request asks for, of those with these values. Raises Invalid."""
    order = projection.shape.session_order if fixed and query.order is None else query.order or ""
    return ListQuery({**typed(projection.shape, query.where), **fixed}, order, query.after, query.limit)


def document_response(
    request: web.Request, projection: AnyProjection, key: str, place: dict[str, Any], value: bytes | None
) -> web.Response:
    """A document, or that the client has it already. Raises NoDocument where there is none."""
    if value is None:
        raise NoDocument(f"{projection.name} has nothing under {key!r}.")
    etag = etag_of(value)
    headers = {"ETag": f'W/"{etag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if any(each.value in (etag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    answer = DocumentAnswer(view=projection.name, key=key, value=orjson.Fragment(value), **place)
    return json_response(answer, headers)


def page_response(projection: AnyProjection, found: ListPage, about: dict[str, Any]) -> web.Response:
    """A page of documents or rows; `about` are further members of the answer."""
    about = {"view": projection.name, **about, "position": found.position}
    if found.next is not None:
        about["next"] = found.next
    if isinstance(projection, DocProjection):
        documents = [b'{"key":%b,"value":%b}' % (orjson.dumps(key), text) for key, text in found.rows]
        return spliced_response(DocumentsPage(documents=[], **about), "documents", documents)
    return spliced_response(RowsPage(rows=[], **about), "rows", [text for _, text in found.rows])
