"""Every page there is, and by what address: those of a site, and those at its door.

An office with one site has both here. In a group the door is `office.web.door_urls`, and a
site's process serves `office.web.site_urls` below /site/NAME/.
"""

from django.conf.urls import handler400, handler404  # noqa: F401  Django looks for them here
from django.urls import path
from django.views.i18n import set_language

from office.web import assets
from office.web.rights import for_anybody
from office.web.views import (
    accounts,
    alerts,
    audit,
    days,
    differences,
    holders,
    imports,
    incidents,
    live,
    orders,
    passes,
    people,
    phones,
    sheets,
    sites,
    visits,
)

handler403 = "office.web.views.errors.not_allowed"

OF_A_SITE = [
    path("", live.page, name="live"),
    path("live/stream", live.stream, name="stream"),
    path("events", live.search, name="events"),
    path("inside", days.inside, name="inside"),
    path("alerts", alerts.page, name="alerts"),
    path("alerts/<int:pk>/acknowledge", alerts.acknowledge, name="alert-acknowledge"),
    path("alerts/<int:pk>/close", alerts.close, name="alert-close"),
    path("people", people.index, name="people"),
    path("people/new", people.new, name="person-new"),
    path("people/import", imports.page, name="import"),
    path("people/<int:pk>", people.page, name="person"),
    path("people/<int:pk>/file", people.change, name="person-change"),
    path("people/<int:pk>/passes", people.draft, name="pass-draft"),
    path("review", passes.review, name="review"),
    path("review/decide", passes.decide, name="decide"),
    path("publish", passes.publish, name="publish"),
    path("renewals", passes.renewals, name="renewals"),
    path("badges", passes.badges, name="badges"),
    path("passes/<str:pass_id>/move", passes.move, name="pass-move"),
    path("passes/<str:pass_id>/replace", passes.replace, name="pass-replace"),
    path("passes/<str:pass_id>/code.<str:kind>", passes.code, name="pass-code"),
    path("passes/<str:pass_id>/invite", phones.invite, name="phone-invite"),
    path("passes/<str:pass_id>/lost", phones.lost, name="phone-lost"),
    path("pass/", holders.page, name="holder"),
    path("pass/manifest.webmanifest", holders.manifest, name="holder-manifest"),
    path("pass/worker.js", holders.worker, name="holder-worker"),
    path("pass/challenge", holders.challenge, name="holder-challenge"),
    path("pass/enrol", holders.enrol, name="holder-enrol"),
    path("pass/visit", holders.visit, name="holder-visit"),
    path("pass/standing", holders.standing, name="holder-standing"),
    path("orders", orders.page, name="orders"),
    path("orders/ask", orders.ask, name="order-ask"),
    path("orders/rules", orders.rules, name="order-rules"),
    path("orders/<int:pk>/confirm", orders.confirm, name="order-confirm"),
    path("orders/<int:pk>/withdraw", orders.withdraw, name="order-withdraw"),
    path("visits", visits.queue, name="visits"),
    path("visits/rules", visits.rules, name="visit-rules"),
    path("visits/<int:pk>/decide", visits.decide, name="visit-decide"),
    path("gates/<str:gate>/poster", visits.poster, name="poster"),
    path("visit/<str:gate>", visits.form, name="visit"),
    path("visit/pass/<str:token>", visits.mine, name="my-visit"),
    path("days", days.index, name="days"),
    path("days/reconcile", days.adds_up, name="reconcile"),
    path("days/attendance", days.attendance, name="attendance"),
    path("days/inspections", days.inspections, name="inspections"),
    path("differences", differences.page, name="differences"),
    path("differences/settle", differences.settle, name="differences-settle"),
    path("exports", sheets.page, name="exports"),
    path("incident", incidents.page, name="incident"),
    path("history", audit.history, name="history"),
    path("history/check", audit.check, name="audit-check"),
    path("history/copy", audit.copy, name="audit-copy"),
    path("accounts", accounts.index, name="accounts"),
    path("accounts/settle", differences.settle_accounts, name="accounts-settle"),
    path("summary", sites.summary, name="summary"),
]
AT_THE_DOOR = [
    path("sign-in", accounts.sign_in, name="sign-in"),
    path("sign-in/second-factor", accounts.second_factor, name="second-factor"),
    path("sign-out", accounts.sign_out, name="sign-out"),
    path("me", accounts.me, name="me"),
    path("me/password", accounts.change_password, name="change-password"),
    path("me/second-factor", accounts.second_factor_setup, name="second-factor-setup"),
    path("language", for_anybody(set_language), name="language"),
    path("assets/<str:digest>/<str:name>", assets.asset, name="asset"),
]
urlpatterns = [*OF_A_SITE, *AT_THE_DOOR]
