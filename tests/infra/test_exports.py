"""The stack's exports, which other stacks and scripts import by name."""

from __future__ import annotations

from tests.infra.template import Template

URLS = ("webhook-url", "ingest-url", "schedule-url", "status-url", "slack-url", "page-url")
QUEUE_URLS = ("download-url", "download-dlq-url", "upload-fifo-url", "upload-dlq-fifo-url")


def test_exports_keep_their_names_and_lead_to_the_stack_s_resources(template: Template) -> None:
    exports = {
        template.short(output["Export"]["Name"]): output["Value"]
        for output in template.outputs.values()
        if "Export" in output
    }
    resource_ids = [f"{name.removesuffix('-url')}-resource-id" for name in URLS]
    assert resource_ids[0] == "webhook-resource-id"
    assert set(exports) == {"api-id", *URLS, *resource_ids, *QUEUE_URLS, "dashboard-url"}
    paths = template.api_paths()
    assert [paths.get(exports[name].get("Ref"), "") for name in resource_ids] == [
        "new_recording",
        "ingest",
        "schedule_update",
        "status",
        "slack",
        "",
    ]
    queues = [template.resources[exports[name]["Ref"]]["Properties"] for name in QUEUE_URLS]
    assert [template.short(queue["QueueName"]) for queue in queues] == [
        "download",
        "download-dlq",
        "upload.fifo",
        "upload-dlq.fifo",
    ]
    assert exports["webhook-url"]["Fn::Join"][1][-1] == "/live/new_recording"
    assert exports["page-url"]["Fn::Join"][1][-1] == "/live/"
