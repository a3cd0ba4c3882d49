"""A Django project in a file, served by gunicorn's threads. Run: gunicorn basket:application"""

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path


def price_basket(count=1_500_000):
    return sum(number * number % 7 for number in range(count))


def basket(request):
    return JsonResponse({"price": price_basket()})


def health(request):
    return HttpResponse("ready")


urlpatterns = [path("basket", basket), path("health", health)]
application = get_wsgi_application()
