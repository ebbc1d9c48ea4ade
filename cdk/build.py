"""The CodeBuild project that runs the repository's buildspec.yml on a revision."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk import grants
from cdk.at_rest import AtRest
from cdk.names import FUNCTIONS, Names
from cdk.settings import Settings

RELEASE = (
    "lambda:GetAlias",
    "lambda:GetFunction",
    "lambda:GetFunctionConfiguration",
    "lambda:ListVersionsByFunction",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionCode",
)
READ_STACKS = ("cloudformation:DescribeStacks",)
NO_SOURCE = "echo 'This stack has no CODEBUILD_SOURCE_URL: set it and update the stack.'; exit 1"


class Build(Construct):
    """The CodeBuild project, which runs on arm64, the functions' default processor.

    Without CODEBUILD_SOURCE_URL, a build only prints that the setting is missing, and fails.
    """

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, names: Names, at_rest: AtRest
    ) -> None:
        super().__init__(scope, construct_id)
        source, build_spec = _source(settings.codebuild_source_url)
        environment = {
            "STACK_NAME": settings.stack_name,
            "LAMBDA_CODE_BUCKET": settings.place.code_bucket,
            "LAMBDA_RELEASE_ALIAS": settings.place.release_alias,
            "LAMBDA_ARCHITECTURE": settings.lambda_architecture,
            "LAMBDA_RUNTIME": settings.lambda_runtime,
            "NONINTERACTIVE": "1",
        }
        project = codebuild.Project(
            self,
            "Project",
            project_name=names.codebuild,
            description="Checks, deploys and releases a revision of the functions",
            source=source,
            build_spec=build_spec,
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_4_0,
                compute_type=codebuild.ComputeType.SMALL,
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value)
                for name, value in environment.items()
            },
            grant_report_group_permissions=False,
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(
                    log_group=at_rest.log_group(self, "Logs", names.build_log)
                )
            ),
        )
        for statement in _statements(Stack.of(self), settings, names):
            project.add_to_role_policy(statement)


def _statements(stack: Stack, settings: Settings, names: Names) -> list[iam.PolicyStatement]:
    """Return the grants for deploying and releasing the stack's functions."""
    functions = [
        stack.format_arn(
            service="lambda",
            resource="function",
            resource_name=f"{names.function(function)}{suffix}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for function in FUNCTIONS
        for suffix in ("", ":*")
    ]
    code = f"arn:{stack.partition}:s3:::{settings.place.code_bucket}/{settings.stack_name}/*"
    itself = stack.format_arn(
        service="cloudformation", resource="stack", resource_name=f"{settings.stack_name}/*"
    )
    return [
        grants.allow(READ_STACKS, itself),
        grants.allow(RELEASE, *functions),
        # UpdateFunctionCode reads the package with its caller's rights.
        grants.allow(("s3:PutObject", "s3:GetObject"), code),
    ]


def _source(url: str) -> tuple[codebuild.ISource | None, codebuild.BuildSpec]:
    if not url:
        phases = {"build": {"commands": [NO_SOURCE]}}
        return None, codebuild.BuildSpec.from_object({"version": "0.2", "phases": phases})
    owner, repository = url.removesuffix(".git").split("/")[-2:]
    source = codebuild.Source.git_hub(owner=owner, repo=repository, report_build_status=False)
    return source, codebuild.BuildSpec.from_source_filename("buildspec.yml")
