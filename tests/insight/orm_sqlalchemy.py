"""Requests as SQLAlchemy makes them: `lazy` loads contacts one by one, `joined` with their parents."""

import os
import sys
import threading

from sqlalchemy import BigInteger, Column, ForeignKey, Text, create_engine, select
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

Base = declarative_base()


class Organization(Base):
    __tablename__ = "organizations"
    id = Column(BigInteger, primary_key=True)
    name = Column(Text)
    contacts = relationship("Contact")


class Contact(Base):
    __tablename__ = "contacts"
    id = Column(BigInteger, primary_key=True)
    organization_id = Column(BigInteger, ForeignKey("organizations.id"))
    email = Column(Text)


OPTIONS = {"lazy": [], "joined": [joinedload(Organization.contacts)],
           "selectin": [selectinload(Organization.contacts)]}


def main() -> None:
    uri = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = create_engine(uri)
    question = select(Organization).order_by(Organization.id).limit(12).options(
        *OPTIONS[sys.argv[1]])
    pause = threading.Event()
    for _ in range(5):
        with Session(engine) as session:
            for organization in session.execute(question).unique().scalars():
                len(organization.contacts)
        pause.wait(0.15)  # the next request


main()
