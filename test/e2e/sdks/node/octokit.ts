// A bot on GitHub: its token is what the environment says.
import { Octokit } from '@octokit/core';

const octokit = new Octokit({ auth: process.env['GITHUB_TOKEN'] });
const issues = await octokit.request('GET /repos/{owner}/{repo}/issues', { owner: 'acme', repo: 'docs' });
console.log(JSON.stringify({ status: issues.status, issues: issues.data }));
