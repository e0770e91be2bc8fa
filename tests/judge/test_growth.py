from pathlib import Path

import pytest

from audio_judge.judge.growth import growth_of

LOOP = "{{% set n = namespace(a='a', b='b') %}}{{% for m in messages %}}{{% set n.a = {} %}}{{% endfor %}}"


class TestGrowthOf:
    @pytest.mark.parametrize(
        "template",
        [
            "{{ 'a'*10000000000 }}",
            "{% set n = 9 %}{{ 10 ** n }}",
            "{{ 'a'.ljust(100000000) }}",
            "{{ 'a' ",
            "{% for i in range(99999) %}{{ i }}{% endfor %}",
            "{{ '%999999999d' % 1 }}",
            "{{ '{:>999999999}'.format(1) }}",
            "{% set a = 'a' %}" + "{% set a = a ~ a %}" * 40,
            "{% set a = 'a' %}" + "{% set a = a + a %}" * 40,
            "{% set a = ['a'] %}" + "{% set a = a + a %}" * 40,
            "{% set a = 'a' %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40,
            "{% set a = 'a' %}" + "{% set a = '%s%s' % (a, a) %}" * 40,
            "{% set a = 'a' %}" + "{% set a = [a, a]|join %}" * 40,
            "{% set a = 'a' %}" + "{% set a = a|replace('a', 'aa') %}" * 40,
            "{% set a = messages|string %}" + "{% set a = a.replace('a', a) %}" * 9,
            "{% set a = 'a' %}" + "{% set a = a|tojson|tojson %}" * 40,
            "{{ 'a'" + "|replace('a', 'aa')" * 40 + " }}",
            "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "f(" * 40 + "'a'" + ")" * 40 + " }}",
            LOOP.format("n.a ~ n.a"),
            LOOP.format("n.a ~ n.b %}{% set n.b = n.a"),
            LOOP.format("n['a'] ~ n['a']"),
            LOOP.format("[n.a, n.a]|join('')"),
            LOOP.format("n.a|replace('a', 'aa')"),
            LOOP.format("n.a.replace('a', m.content)"),
            LOOP.format("f(n.a)") + "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}",
            LOOP.format("n.a %}{{ f() }}{% if 1").replace("{% endfor", "{% endif %}{% endfor")
            + "{% macro f() %}{% set n.a = n.a ~ n.a %}{% endmacro %}",
            "{% set n = namespace(a='a') %}{% set m = n %}",
            "{% set f = namespace %}{% set n = f(a='a') %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
            "{% for a in messages %}" * 4 + "a" + "{% endfor %}" * 4,
            "{% set tools = range(9999) %}{% for a in tools %}{% for b in tools %}{{ b }}{% endfor %}{% endfor %}",
            "{% set m = {'tool_calls': range(9999)} %}"
            "{% for a in m.tool_calls %}{% for b in m.tool_calls %}{{ b }}{% endfor %}{% endfor %}",
            "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
            "{% macro f(n) %}{% if n %}{{ f(n ~ n) }}{% endif %}{% endmacro %}{{ f('a') }}",
            "{% macro f(n) %}{% for i in 'ab' %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}",
            "{% macro f(n) %}{% for i in n %}{{ f(i) }}{{ f(i) }}{% endfor %}{% endmacro %}{{ f('a') }}",
            "{% macro f(n) %}{% set n = 'ab' %}{% for i in n %}{{ f(i) }}{% endfor %}{% endmacro %}{{ f('a') }}",
            "{% macro f(n) %}{% for i in n %}{{ f(i) }}{% endfor %}{% for j in n %}{{ f(j) }}{% endfor %}{% endmacro %}{{ f('a') }}",
            "{% macro f(n) %}{{ f(n.a) }}{{ f(n.a.b) }}{% endmacro %}{{ f(messages) }}",
            "{% macro f(n) %}{% for i in 'ab' %}{{ f(n.a) }}{% endfor %}{% endmacro %}{{ f(messages) }}",
            "{% macro f(n) %}{{ g(n) }}{{ g(n) }}{% endmacro %}{% macro g(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
            "{% for x in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
            "".join(f"{{% macro f{i}() %}}{{{{ f{i + 1}() }}}}{{{{ f{i + 1}() }}}}{{% endmacro %}}" for i in range(40))
            + "{% macro f40() %}a{% endmacro %}{{ f0() }}",
            "{{ lipsum(9999) }}",
            "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
        ],
    )
    def test_grows(self, template):
        assert growth_of(template)

    @pytest.mark.parametrize(
        "template",
        [
            "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% break %}{% endfor %}",
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            "{{ 100 - 1 }} {{ '100000' }} {{ loop.index0 % 2 }}",
            LOOP.format("n.a ~ m.content.split('</think>')[-1]|trim"),
            LOOP.format("n.a + 1 if m.role == 'user' else 0"),
            "{% set n = namespace(last=messages|length - 1) %}{% for m in messages[::-1] %}{% set i = n.last - loop.index0 %}"
            "{% if m.role == 'user' %}{% set n.last = i %}{% endif %}{% endfor %}",
            "{% for m in messages %}{% for b in m.content %}{% for p in b.parts %}{{ p|tojson }}{% endfor %}{% endfor %}"
            "{% for t in tools %}{{ t | tojson(indent=4) | replace('<', '&lt;') }}{% endfor %}{% endfor %}",
            "{% macro f(n) %}{% if n is mapping %}{% for k, v in n|dictsort %}{{ k }}{{ f(v) }}{% endfor %}{% else %}"
            "{% for i in n %}{{ f(i) }}{% endfor %}{% endif %}{% endmacro %}{{ f(tools) }}",
            "{% macro f(n) %}{% for k, v in n.items() %}{{ f(v['p']) }}{{ f(v['i']['p']) }}{% endfor %}{% endmacro %}{{ f(tools) }}",
            "{% macro kind(x) %}{% if x is mapping %}{{ kind(x.items) }}{% else %}{{ x }}{% endif %}{% endmacro %}"
            "{% for t in tools %}{{ kind(t) }}{% endfor %}",
        ],
    )
    def test_does_not(self, template):
        assert growth_of(template) is None

    @pytest.mark.parametrize("name", ["gemma4", "llama3_2", "qwen3", "gptoss"])
    def test_templates_of_others(self, name):
        template = Path(pytest.importorskip("trl").__file__).parent / "chat_templates" / f"{name}.jinja"
        assert growth_of(template.read_text(encoding="utf-8")) is None

    @pytest.mark.parametrize("judge", ["mini", "open"])
    def test_templates_of_ours(self, judge):
        found = sorted((Path(__file__).parents[2] / "checkpoints" / judge).glob("*.jinja"))
        assert [growth_of(path.read_text(encoding="utf-8")) for path in found] == [None, None]
